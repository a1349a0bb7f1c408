/* SPDX-License-Identifier: 0BSD */
/* nf_tables, by nfnetlink: the rules of one machine */
#include "util.h"

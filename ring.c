/* SPDX-License-Identifier: 0BSD */
/* What a console said last, in a file of bounded size */
#include "nspawn-lite.h"

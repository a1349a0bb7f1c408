/* SPDX-License-Identifier: 0BSD */
/* Trees at rest: shifting their owners */
#include "util.h"

int
tree_shift(int dir, uint32_t base, char **where)
{
	(void)dir;
	(void)base;
	(void)where;
	return 0;
}

/* SPDX-License-Identifier: GPL-3.0-or-later
 * Does nothing: what counts is what it is linked with. See packaging.am. */
int main(void)
{
    return 0;
}

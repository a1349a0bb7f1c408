/* SPDX-License-Identifier: 0BSD */
/*
 * dhcp : frames in, frames out: what dhcp.c answers, byte by byte. Prints TAP
 * dhcp DIR : writes the frames that it asks with into files there, for the fuzzer to begin with
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../util.h"

enum { ROOM = 1600 };

static int number, bad, nseeds;
static const char *seeds;

static const struct lease usual = {
	.mac = { 0x82, 0x8f, 0xf0, 0x36, 0x41, 0xea }, .host_mac = { 0xa2, 0x0e, 0x78, 0x9f, 0xde, 0x73 },
	.address = { 10, 64, 3, 17 }, .router = { 10, 64, 3, 1 }, .prefix = 24, .route = true,
	.address6 = { 0xfd, 1, 2, 3, 4, 5, 0, 6, 0x80, 0x8f, 0xf0, 0xff, 0xfe, 0x36, 0x41, 0xea },
	.router6 = { 0xfe, 0x80, [8] = 0xa0, 0x0e, 0x78, 0xff, 0xfe, 0x9f, 0xde, 0x73 }, .prefix6 = 64, .route6 = true,
	.dns = { { 10, 64, 3, 1 }, { 192, 0, 2, 53 } }, .ndns = 2,
	.dns6 = { { 0x20, 1, 0x0d, 0xb8, [15] = 0x53 } }, .ndns6 = 1,
	.seconds = 3600, .mtu = 1400, .hostname = "guest", .timezone = "Europe/Berlin",
};

static void
ok(bool yes, const char *what)
{
	print(1, "%sok %d - %s\n", yes ? "" : "not ", ++number, what);
	bad += !yes;
}

static void
is(const char *want, const char *got, const char *what)
{
	ok(streq(want, got), what);
	if (!streq(want, got))
		print(1, "# want %s\n# got  %s\n", want, got);
}

/* ---- bytes and words ------------------------------------------------------------------ */

static size_t
unhex(const char *s, uint8_t *out)
{
	char two[3] = "";
	size_t n = 0;

	for (; *s; s++) {
		if (*s == ' ')
			continue;
		two[0] = *s++;
		two[1] = *s;
		out[n++] = (uint8_t)strtoul(two, NULL, 16);
	}
	return n;
}

static char *
hex(const uint8_t *p, size_t n)
{
	char *s = xalloc(2 * n + 1);
	size_t i;

	for (i = 0; i < n; i++)
		snprintf(s + 2 * i, 3, "%02x", p[i]);
	return s;
}

static void
set16(uint8_t *p, size_t n)
{
	p[0] = (uint8_t)(n >> 8);
	p[1] = (uint8_t)n;
}

/* RFC 1071; the place of the checksum itself is 0 meanwhile */
static void
checksum(uint8_t *at, const uint8_t *p, size_t n, uint32_t more)
{
	uint32_t s = more;
	size_t i;

	for (i = 0; i + 1 < n; i += 2)
		s += (uint32_t)(p[i] << 8 | p[i + 1]);
	if (n & 1)
		s += (uint32_t)p[n - 1] << 8;
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	set16(at, ~s & 0xffff);
}

static void
keep_seed(const uint8_t *frame, size_t len)
{
	int fd;

	if (!seeds)
		return;
	fd = open(fmt("%s/seed-%02d", seeds, nseeds++), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0 || write(fd, frame, len) != (ssize_t)len)
		die("write a seed:");
	close(fd);
}

/* ---- DHCP ---------------------------------------------------------------------------------- */

/* a frame with these options, in hex; flags and ciaddr too */
static size_t
ask(uint8_t *f, const char *flags, const char *ciaddr, const char *options)
{
	size_t len;

	memset(f, 0, ROOM);
	memset(f, 0xff, 6);
	memcpy(f + 6, usual.mac, 6);
	unhex("0800 4500 0000 1234 0000 40 11 0000 00000000 ffffffff 0044 0043 0000 0000", f + 12);
	unhex("01010600 deadbeef 0000", f + 42);
	unhex(flags, f + 52);
	unhex(ciaddr, f + 54);
	memcpy(f + 70, usual.mac, 6);
	unhex("63825363", f + 278);
	len = 282 + unhex(options, f + 282);
	set16(f + 16, len - 14);
	set16(f + 38, len - 34);
	checksum(f + 24, f + 14, 20, 0);
	return len;
}

/* what a frame is, in words: "KIND ADDRESS to MAC IP", or "" */
static char *
say_answer(const uint8_t *o, size_t n)
{
	static const char *const names[] = { "", "DISCOVER", "OFFER", "REQUEST", "DECLINE", "ACK", "NAK" };

	if (n < 300 || o[282] != 53 || o[284] >= LEN(names))
		return xstrdup("");
	return fmt("%s %d.%d.%d.%d to %s %d.%d.%d.%d", names[o[284]], o[58], o[59], o[60], o[61],
	           o[0] == 0xff ? "all" : memcmp(o, usual.mac, 6) == 0 ? "it" : "others", o[30], o[31], o[32], o[33]);
}

static void
test_dhcp(void)
{
	static const struct { const char *what, *flags, *ciaddr, *options, *want; } table[] = {
		{ "DISCOVER", "0000", "", "350101 ff", "OFFER 10.64.3.17 to it 10.64.3.17" },
		{ "DISCOVER that wants a broadcast", "8000", "", "350101 ff", "OFFER 10.64.3.17 to all 255.255.255.255" },
		{ "DISCOVER without an end", "0000", "", "350101", "OFFER 10.64.3.17 to it 10.64.3.17" },
		{ "DISCOVER with padding", "0000", "", "0000350101000000ff0000", "OFFER 10.64.3.17 to it 10.64.3.17" },
		{ "DISCOVER for another address", "0000", "", "350101 32040a400312 ff", "OFFER 10.64.3.17 to it 10.64.3.17" },
		{ "DISCOVER with rapid commit", "0000", "", "350101 5000 ff", "ACK 10.64.3.17 to it 10.64.3.17" },
		{ "REQUEST of what was offered", "0000", "", "350103 36040a400301 32040a400311 ff", "ACK 10.64.3.17 to it 10.64.3.17" },
		{ "REQUEST of another", "0000", "", "350103 36040a400301 32040a400312 ff", "NAK 0.0.0.0 to all 255.255.255.255" },
		{ "REQUEST to another server", "0000", "", "350103 36040a400302 32040a400311 ff", "" },
		{ "REQUEST to us of nothing", "0000", "", "350103 36040a400301 ff", "" },
		{ "REQUEST after a reboot", "0000", "", "350103 32040a400311 ff", "ACK 10.64.3.17 to it 10.64.3.17" },
		{ "REQUEST after a move", "0000", "", "350103 3204c0a80102 ff", "NAK 0.0.0.0 to all 255.255.255.255" },
		{ "REQUEST to renew", "0000", "0a400311", "350103 ff", "ACK 10.64.3.17 to it 10.64.3.17" },
		{ "REQUEST to renew, with a broadcast", "8000", "0a400311", "350103 ff", "ACK 10.64.3.17 to it 10.64.3.17" },
		{ "REQUEST to renew another", "0000", "0a400312", "350103 ff", "NAK 0.0.0.0 to all 255.255.255.255" },
		{ "REQUEST of nothing", "0000", "", "350103 ff", "" },
		{ "DECLINE", "0000", "", "350104 32040a400311 ff", "" },
		{ "RELEASE", "0000", "0a400311", "350107 ff", "" },
		{ "INFORM", "0000", "0a400320", "350108 ff", "ACK 0.0.0.0 to it 10.64.3.32" },
		{ "INFORM from nowhere", "0000", "", "350108 ff", "" },
		{ "an OFFER", "0000", "", "350102 ff", "" },
		{ "BOOTP", "0000", "", "ff", "" },
		{ "no option at all", "0000", "", "", "" },
		{ "two kinds", "0000", "", "350101 350103 ff", "" },
		{ "a kind of two bytes", "0000", "", "35020101 ff", "" },
		{ "a kind of none", "0000", "", "3500 ff", "" },
		{ "an address of three bytes", "0000", "", "350103 32030a4003 ff", "" },
		{ "an option that is cut off", "0000", "", "350101 3d05 01", "" },
		{ "an option without a length", "0000", "", "350101 3d", "" },
	};
	uint8_t f[ROOM], o[ROOM];
	size_t i, n;

	for (i = 0; i < LEN(table); i++) {
		n = ask(f, table[i].flags, table[i].ciaddr, table[i].options);
		keep_seed(f, n);
		n = dhcp_answer(&usual, f, n, o, sizeof(o));
		is(table[i].want, say_answer(o, n), fmt("%s: %s", table[i].what, *table[i].want ? table[i].want : "silence"));
	}
}

/* where an option is in an answer; NULL if it is not */
static const uint8_t *
find(const uint8_t *o, size_t n, uint8_t code)
{
	size_t i = 282;

	while (i + 1 < n && o[i] != 255) {
		if (o[i] == code)
			return o + i;
		i += o[i] ? 2u + o[i + 1] : 1u;
	}
	return NULL;
}

static void
test_dhcp_bytes(void)
{
	static const char *const discover = "350101 3d0701828ff03641ea ff";
	struct lease l = usual;
	uint8_t f[ROOM], o[ROOM];
	char *zeros = xalloc(2 * 64 + 1);
	size_t n = ask(f, "0000", "", discover);

	n = dhcp_answer(&usual, f, n, o, sizeof(o));
	memset(zeros, '0', 128);
	is(fmt("828ff03641ea" "a20e789fde73" "0800" "450001670000000040115ef50a4003010a400311" "004300440153273b"
	       "02010600deadbeef00000000" "00000000" "0a400311" "00000000" "00000000" "828ff03641ea00000000000000000000"
	       "%s%s%s" "63825363" "350102" "36040a400301" "330400000e10" "3a0400000708" "3b0400000c4e" "3d0701828ff03641ea"
	       "0104ffffff00" "1c040a4003ff" "03040a400301" "06080a400301c0000235" "1a020578" "0c056775657374"
	       "650d4575726f70652f4265726c696e" "ff", zeros, zeros, zeros), hex(o, n), "an offer, byte by byte");
	n = dhcp_answer(&usual, f, ask(f, "8000", "0a400312", "350103 ff"), o, sizeof(o));
	is("350106" "36040a400301" "ff", hex(o + 282, 10), "a refusal says who it is from, and nothing else");
	ok(n == 14 + 20 + 8 + 300, "and is padded to what BOOTP has");
	l.route = false;
	l.ndns = 0;
	l.hostname = l.timezone = NULL;
	l.mtu = 0;
	l.prefix = 31;
	n = dhcp_answer(&l, f, ask(f, "0000", "", "350101 ff"), o, sizeof(o));
	is("350102" "36040a400301" "330400000e10" "3a0400000708" "3b0400000c4e" "0104fffffffe" "ff", hex(o + 282, 34),
	   "what is not there is not said");
	n = dhcp_answer(&usual, f, ask(f, "0000", "0a400311", "350108 ff"), o, sizeof(o));
	ok(n && !find(o, n, 51) && !find(o, n, 58) && find(o, n, 6) && find(o, n, 1), "an INFORM gets settings without times");
	n = dhcp_answer(&usual, f, ask(f, "0000", "", "350101 330400000258 ff"), o, sizeof(o));
	is("330400000258", hex(find(o, n, 51), 6), "it may ask for a shorter time");
	n = dhcp_answer(&usual, f, ask(f, "0000", "", "350101 3304ffffffff ff"), o, sizeof(o));
	is("33040000a8c0", hex(find(o, n, 51), 6), "and for half a day, not more");
	n = dhcp_answer(&usual, f, ask(f, "0000", "", "350101 330400000000 ff"), o, sizeof(o));
	is("33040000000a", hex(find(o, n, 51), 6), "but not for none");
	n = dhcp_answer(&usual, f, ask(f, "0000", "", "350101 5000 ff"), o, sizeof(o));
	ok(n && find(o, n, 80), "rapid commit is confirmed");
	ask(f, "0000", "", "");
	n = ask(f, "0000", "", "350103 340101 ff");
	unhex("32040a400311ff", f + 150);
	is("ACK 10.64.3.17 to it 10.64.3.17", say_answer(o, dhcp_answer(&usual, f, n, o, sizeof(o))),
	   "options may go on in the file's name");
	n = ask(f, "0000", "", "350103 340102 ff");
	unhex("32040a400311ff", f + 86);
	is("ACK 10.64.3.17 to it 10.64.3.17", say_answer(o, dhcp_answer(&usual, f, n, o, sizeof(o))), "and in the server's");
	f[87] = 64;
	is("", say_answer(o, dhcp_answer(&usual, f, n, o, sizeof(o))), "but not beyond it");
	l = usual;
	l.timezone = fmt("%0250d", 0);
	n = ask(f, "0000", "", fmt("350101 3dff%0510d ff", 0));
	n = dhcp_answer(&l, f, n, o, sizeof(o));
	ok(n && n <= 14 + 576 && find(o, n, 61) && find(o, n, 1) && !find(o, n, 101), "no answer is longer than every client takes");
	l.prefix = 0;
	ok(dhcp_answer(&l, f, ask(f, "0000", "", "350101 ff"), o, sizeof(o)) == 0, "who has no IPv4 to give is silent");
}

static void
test_frames(void)
{
	static const struct { const char *what; int at; const char *bytes; bool sum; } table[] = {
		{ "from another MAC",                  6,  "828ff03641eb", false },
		{ "from another client of the same link", 70, "828ff03641eb", false },
		{ "with a VLAN tag",                   12, "8100", false },
		{ "of another protocol",               23, "06", true },
		{ "of IPv5",                           14, "55", true },
		{ "with a short header",               14, "44", true },
		{ "with a checksum that is wrong",     24, "ffff", false },
		{ "that is a fragment",                20, "2000", true },
		{ "that is another fragment",          20, "0001", true },
		{ "longer than it is",                 16, "0600", true },
		{ "shorter than its header",           16, "0013", true },
		{ "whose UDP is longer than it is",    38, "0200", false },
		{ "whose UDP is shorter than a header", 38, "0007", false },
		{ "to another port",                   36, "0044", false },
		{ "to another address",                30, "0a400305", true },
		{ "that is a reply",                   42, "02", false },
		{ "of another kind of link",           43, "06", false },
		{ "with long MACs",                    44, "08", false },
		{ "that came through a relay",         66, "0a400309", false },
		{ "without the cookie",                278, "63825362", false },
	};
	uint8_t f[ROOM], o[ROOM], *exact;
	size_t i, n, len;
	bool silent = true;

	for (i = 0; i < LEN(table); i++) {
		n = ask(f, "0000", "", "350101 ff");
		unhex(table[i].bytes, f + table[i].at);
		if (table[i].sum) {
			set16(f + 24, 0);
			checksum(f + 24, f + 14, (f[14] & 15u) * 4, 0);
		}
		keep_seed(f, n);
		ok(dhcp_answer(&usual, f, n, o, sizeof(o)) == 0, fmt("a frame %s: silence", table[i].what));
	}
	n = ask(f, "0000", "", "350101 3d0701828ff03641ea ff");
	for (len = 0; len < n; len++) {
		exact = malloc(len ? len : 1);  /* a sanitizer sees what reads beyond it */
		memcpy(exact, f, len);
		silent &= dhcp_answer(&usual, exact, len, o, sizeof(o)) == 0;
		free(exact);
	}
	ok(silent, "one that is cut off anywhere: silence");
	ok(dhcp_answer(&usual, f, n, o, 340) == 0, "no answer where there is no room for it");
	memmove(f + 38, f + 34, n - 34);
	memset(f + 34, 1, 4);
	f[14] = 0x46;
	set16(f + 16, n + 4 - 14);
	set16(f + 24, 0);
	checksum(f + 24, f + 14, 24, 0);
	ok(dhcp_answer(&usual, f, n + 4, o, sizeof(o)) > 0, "IP may have options");
	n = ask(f, "0000", "", "350101 ff");
	memset(f + n, 0x55, 20);
	ok(dhcp_answer(&usual, f, n + 20, o, sizeof(o)) > 0, "and Ethernet padding");
	set16(f + 40, 0xabcd);
	ok(dhcp_answer(&usual, f, n, o, sizeof(o)) > 0, "the checksum of UDP is not asked for: a pair of links has none");
}

/* ---- IPv6 ---------------------------------------------------------------------------------- */

static size_t
frame6(uint8_t *f, const char *to, int proto, int hops, const char *payload)
{
	size_t n;

	memset(f, 0, ROOM);
	unhex("333300010002 828ff03641ea 86dd 60000000", f);
	f[20] = (uint8_t)proto;
	f[21] = (uint8_t)hops;
	unhex("fe80000000000000808ff0fffe3641ea", f + 22);
	unhex(to, f + 38);
	n = unhex(payload, f + 54);
	set16(f + 18, n);
	return 54 + n;
}

static size_t
solicit_router(uint8_t *f, const char *payload)
{
	size_t n = frame6(f, "ff020000000000000000000000000002", 58, 255, payload);

	checksum(f + 56, f + 22, n - 22, (uint32_t)(58 + n - 54));
	return n;
}

static size_t
ask6(uint8_t *f, const char *message)
{
	size_t n = frame6(f, "ff020000000000000000000000010002", 17, 1, fmt("0222022300000000 %s", message));

	set16(f + 58, n - 54);
	checksum(f + 60, f + 22, n - 22, (uint32_t)(17 + n - 54));
	return n;
}

#define CLIENT "0001000a00030001828ff03641ea "
#define SERVER "0002000a00030001a20e789fde73 "
#define OURS   "fd01020304050006808ff0fffe3641ea"
#define WRONG  "fd0102030405000600000000000000aa"
#define DNS    "0017001020010db8000000000000000000000053"
#define GIVEN  "0003002800000001" "00000708" "00000c4e" "00050018" OURS "00000e10" "00000e10"

static void
test_dhcp6(void)
{
	static const struct { const char *what, *ask, *want; } table[] = {
		{ "SOLICIT", "01abcdef " CLIENT "0003000c000000010000000000000000 00080002 0000",
		  "02abcdef " CLIENT SERVER "00070001ff " GIVEN DNS },
		{ "SOLICIT with rapid commit", "01abcdef " CLIENT "000e0000 0003000c000000010000000000000000",
		  "07abcdef " CLIENT SERVER "000e0000 " GIVEN DNS },
		{ "SOLICIT of an address", "01abcdef " CLIENT "00030028000000010000000000000000 00050018" WRONG "0000000000000000",
		  "02abcdef " CLIENT SERVER "00070001ff " GIVEN DNS },
		{ "SOLICIT of a second address", "01abcdef " CLIENT "0003000c000000010000000000000000 0003000c000000020000000000000000",
		  "02abcdef " CLIENT SERVER "00070001ff " GIVEN "0003001200000002 0000000000000000 000d00020002" DNS },
		{ "SOLICIT of a prefix", "01abcdef " CLIENT "0019000c000000070000000000000000",
		  "02abcdef " CLIENT SERVER "00070001ff 0019001200000007 0000000000000000 000d00020006" DNS },
		{ "SOLICIT of a temporary address", "01abcdef " CLIENT "0004000400000001",
		  "02abcdef " CLIENT SERVER "00070001ff " DNS },
		{ "SOLICIT that knows us", "01abcdef " CLIENT SERVER, "" },
		{ "SOLICIT from nobody", "01abcdef 0003000c000000010000000000000000", "" },
		{ "REQUEST", "03000001 " CLIENT SERVER "0003000c000000010000000000000000", "07000001 " CLIENT SERVER GIVEN DNS },
		{ "REQUEST to another", "03000001 " CLIENT "0002000a00030001a20e789fde74 0003000c000000010000000000000000", "" },
		{ "REQUEST to all", "03000001 " CLIENT "0003000c000000010000000000000000", "" },
		{ "RENEW", "05000001 " CLIENT SERVER "00030028000000010000000000000000 00050018" OURS "0000000000000000",
		  "07000001 " CLIENT SERVER GIVEN DNS },
		{ "RENEW of another address", "05000001 " CLIENT SERVER "00030028000000010000000000000000 00050018" WRONG "0000000100000001",
		  "07000001 " CLIENT SERVER "0003004400000001 00000708 00000c4e 00050018" OURS "00000e1000000e10 00050018" WRONG
		  "0000000000000000" DNS },
		{ "REBIND", "06000001 " CLIENT "0003000c000000010000000000000000", "07000001 " CLIENT SERVER GIVEN DNS },
		{ "CONFIRM", "04000001 " CLIENT "00030028000000010000000000000000 00050018" OURS "0000000000000000",
		  "07000001 " CLIENT SERVER "000d00020000" DNS },
		{ "CONFIRM of another", "04000001 " CLIENT "00030028000000010000000000000000 00050018" WRONG "0000000000000000",
		  "07000001 " CLIENT SERVER "000d00020004" DNS },
		{ "CONFIRM of nothing", "04000001 " CLIENT "0003000c000000010000000000000000", "" },
		{ "INFORMATION-REQUEST", "0b000001 " CLIENT "000600020017", "07000001 " CLIENT SERVER DNS },
		{ "INFORMATION-REQUEST from nobody", "0b000001 000600020017", "07000001 " SERVER DNS },
		{ "RELEASE", "08000001 " CLIENT SERVER "00030028000000010000000000000000 00050018" OURS "0000000000000000",
		  "07000001 " CLIENT SERVER "000d00020000" DNS },
		{ "DECLINE", "09000001 " CLIENT SERVER "00030028000000010000000000000000 00050018" OURS "0000000000000000",
		  "07000001 " CLIENT SERVER "000d00020000" DNS },
		{ "a REPLY", "07000001 " CLIENT SERVER, "" },
		{ "RELAY-FORW", "0c000001 " CLIENT SERVER, "" },
		{ "two clients", "0b000001 " CLIENT CLIENT, "" },
		{ "a client of two bytes", "0b000001 000100020003", "" },
		{ "an option that is cut off", "0b000001 " CLIENT "0006000400", "" },
		{ "half an option", "0b000001 " CLIENT "0006", "" },
		{ "a short association", "01000001 " CLIENT "00030008 0000000100000000", "" },
		{ "an association whose option is cut off", "01000001 " CLIENT "00030010000000010000000000000000 00050018", "" },
	};
	uint8_t f[ROOM], o[ROOM], want[ROOM] = { 0 };
	size_t i, n;

	for (i = 0; i < LEN(table); i++) {
		n = ask6(f, table[i].ask);
		keep_seed(f, n);
		n = dhcp_answer(&usual, f, n, o, sizeof(o));
		is(hex(want, unhex(table[i].want, want)), n > 62 ? hex(o + 62, n - 62) : "", fmt("DHCPv6 %s", table[i].what));
	}
	n = dhcp_answer(&usual, f, ask6(f, "0b000001 000600020017"), o, sizeof(o));
	is("828ff03641ea" "a20e789fde73" "86dd" "60000000" "002e11ff" "fe80000000000000a00e78fffe9fde73"
	   "fe80000000000000808ff0fffe3641ea" "02230222002e2813" "07000001" "0002000a00030001a20e789fde73" DNS, hex(o, n),
	   "an answer of DHCPv6, byte by byte");
}

static void
test_routers(void)
{
	static const struct { const char *what; int at; const char *bytes; bool sum, answered; } table[] = {
		{ "as it should be",            0,  "", true, true },
		{ "through a router",           21, "fe", true, false },
		{ "with a checksum that is wrong", 56, "1111", false, false },
		{ "with a code",                55, "01", true, false },
		{ "with an option of no length", 63, "00", true, false },
		{ "with an option that is cut off", 63, "02", true, false },
		{ "from nowhere, that has a MAC", 22, "00000000000000000000000000000000", true, false },
		{ "that is none",               54, "86", true, false },
	};
	struct lease l = usual;
	uint8_t f[ROOM], o[ROOM];
	size_t i, n;

	for (i = 0; i < LEN(table); i++) {
		n = solicit_router(f, "85000000 00000000 0101828ff03641ea");
		unhex(table[i].bytes, f + table[i].at);
		if (table[i].sum) {
			set16(f + 56, 0);
			checksum(f + 56, f + 22, n - 22, (uint32_t)(58 + n - 54));
		}
		keep_seed(f, n);
		n = dhcp_answer(&usual, f, n, o, sizeof(o));
		ok((n > 0) == table[i].answered, fmt("a router solicitation %s: %s", table[i].what,
		   table[i].answered ? "an answer" : "silence"));
	}
	n = dhcp_advertise(&usual, o, sizeof(o));
	is("333300000001" "a20e789fde73" "86dd" "60000000" "00583aff" "fe80000000000000a00e78fffe9fde73"
	   "ff020000000000000000000000000001" "8600dd45" "40400708" "0000000000000000" "0101a20e789fde73"
	   "0501000000000578" "030440c000278d0000093a8000000000fd010203040500060000000000000000"
	   "190300000000070820010db8000000000000000000000053", hex(o, n), "an advertisement, byte by byte");
	l.route6 = false;
	l.ndns6 = 0;
	l.mtu = 0;
	n = dhcp_advertise(&l, o, sizeof(o));
	is("40000000" "0000000000000000" "0101a20e789fde73" "030440c000278d0000093a8000000000fd010203040500060000000000000000",
	   hex(o + 58, n - 58), "who leads nowhere is no router, and says only what there is");
	l.prefix6 = 80;
	n = dhcp_advertise(&l, o, sizeof(o));
	is("40000000" "0000000000000000" "0101a20e789fde73", hex(o + 58, n - 58), "of a longer prefix no address can be made");
	l.prefix6 = 0;
	ok(dhcp_advertise(&l, o, sizeof(o)) == 0 && dhcp_answer(&l, f, ask6(f, "0b000001"), o, sizeof(o)) == 0,
	   "who has no IPv6 to give is silent");
}

int
main(int argc, char **argv)
{
	seeds = argc > 1 ? argv[1] : NULL;
	test_dhcp();
	test_dhcp_bytes();
	test_frames();
	test_dhcp6();
	test_routers();
	print(1, "1..%d\n", number);
	return bad != 0;
}

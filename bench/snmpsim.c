/*
 * snmpsim.c - fast UDP SNMP agent simulator for benchmarks.
 *
 * One process, one UDP socket on INADDR_ANY; answers for every address of a network
 * (IP_PKTINFO: the reply leaves from the address that was asked).  v1, v2c, v3 USM
 * (noAuth/MD5/SHA1/SHA224/SHA256/SHA384/SHA512, noPriv/AES128).  Data: .snmprec files (one file = one
 * device model; each address gets a model by hash).  Values may hold the tokens
 * {ip} {hex} {mac} (string values) and {count} (integer-like values: base + the address' last two
 * octets + seconds since start).  A network within 127.0.0.0/8 is served on the interface lo alone.
 *
 *   snmpsim [-p port] [-b bindaddr] [-n net/prefix] [-a frac|all] [-s seed] [-m maxmsg]
 *           [-x maxvarbinds] [-d delay_ms] [-j jitter_ms] [-l loss] [-c community]
 *           [-S statsfile] [-u user,md5|sha|sha224|sha256|sha384|sha512|none,authpass,aes|none,privpass] [-L] file...
 *   -L   print "address model" of every alive address in the network and exit
 *   -S   mmap'd file of 64-bit counters, see struct stats
 *   -R   answer on broadcast destinations from the real interface address (for -b lan tests)
 *
 * build: cc -O2 -o snmpsim snmpsim.c -lcrypto
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

typedef uint8_t u8; typedef uint32_t u32; typedef uint64_t u64;
#define MAXOID 128
#define BATCH 128
#define BUFSZ 65536

struct stats { /* order is the ABI of the stats file; all u64 */
    u64 rx_pkts, rx_bytes, tx_pkts, tx_bytes, rx_dark, get, getnext, getbulk, varbinds_out,
        bad, auth_fail, v1, v2c, v3, reports, lost, toobig, rx_bad_community;
};
static struct stats *S;

struct entry { u32 *oid; int n; u8 *eoid; int neoid; u8 tag; u8 *val; int nval; int dyn; u64 base; };
struct model { const char *name; struct entry *e; int n; };
static struct model *models; static int nmodels;

static u32 net_addr = 0x7f000000, net_mask = 0xff000000; static double alive_frac = 1.0; static u64 seed = 1;
static int maxmsg = 65507, maxvb = 1 << 30; static double loss = 0; static int delay_us = 0, jitter_us = 0;
static char *community = NULL; static time_t t0;

static u64 mix(u64 x) { x += 0x9e3779b97f4a7c15ULL; x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL; return x ^ (x >> 31); }
static int is_alive(u32 a) { return (a & net_mask) == net_addr &&
    (alive_frac >= 1.0 || (double)(mix(a * 0x10001ULL + seed) >> 11) / 9007199254740992.0 < alive_frac); }
static struct model *model_of(u32 a) { return &models[mix(a + seed * 7919) % nmodels]; }
static u64 now_us(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec * 1000000ULL + t.tv_nsec / 1000; }

/* ---- loading ---- */
static int enc_oid(const u32 *o, int n, u8 *out) {
    u8 *p = out;
    for (int i = 1; i < n; i++) {
        u32 v = i == 1 ? o[0] * 40 + o[1] : o[i]; int s = 28;
        while (s > 0 && !(v >> s)) s -= 7;
        for (; s >= 0; s -= 7) *p++ = ((v >> s) & 0x7f) | (s ? 0x80 : 0);
    }
    return p - out;
}
static int parse_oid(const char *s, u32 *o) { int n = 0; char *e; if (*s == '.') s++;
    while (*s && n < MAXOID) { o[n++] = strtoul(s, &e, 10); if (e == s) return -1; s = *e == '.' ? e + 1 : e; if (*e && *e != '.') break; } return n; }
static int enc_int(int64_t v, u8 *out) { u8 t[9]; int n = 0; do { t[n++] = v & 0xff; v >>= 8; } while (n < 8 && !((v == 0 && !(t[n-1] & 0x80)) || (v == -1 && (t[n-1] & 0x80))));
    for (int i = 0; i < n; i++) out[i] = t[n - 1 - i]; return n; }
static int enc_uint(u64 v, u8 *out) { u8 t[10]; int n = 0; do { t[n++] = v & 0xff; v >>= 8; } while (v); if (t[n-1] & 0x80) t[n++] = 0;
    for (int i = 0; i < n; i++) out[i] = t[n - 1 - i]; return n; }
static int cmp_oid(const u32 *a, int na, const u32 *b, int nb) { int n = na < nb ? na : nb;
    for (int i = 0; i < n; i++) if (a[i] != b[i]) return a[i] < b[i] ? -1 : 1; return na - nb; }
static int cmp_entry(const void *a, const void *b) { const struct entry *x = a, *y = b; return cmp_oid(x->oid, x->n, y->oid, y->n); }
static void load(const char *path, struct model *m) {
    FILE *f = fopen(path, "r"); if (!f) { perror(path); exit(2); }
    char *line = NULL; size_t cap = 0; ssize_t len; int capn = 0; m->name = path;
    while ((len = getline(&line, &cap, f)) > 0) {
        while (len && (line[len-1] == '\n' || line[len-1] == '\r')) line[--len] = 0;
        char *a = strchr(line, '|'); if (!a) continue; *a++ = 0; char *v = strchr(a, '|'); if (!v) continue; *v++ = 0;
        u32 o[MAXOID]; int n = parse_oid(line, o); if (n < 2) continue;
        if (m->n == capn) m->e = realloc(m->e, (capn = capn ? capn * 2 : 512) * sizeof *m->e);
        struct entry *e = &m->e[m->n]; memset(e, 0, sizeof *e); u8 buf[BUFSZ]; int nb = 0;
        int hex = a[strlen(a)-1] == 'x'; e->tag = atoi(a);
        if (hex) { for (char *h = v; h[0] && h[1]; h += 2) { unsigned x; if (sscanf(h, "%2x", &x) != 1) break; buf[nb++] = x; } }
        else switch (e->tag) {
            case 2: if (!strncmp(v, "{count}", 7)) { e->dyn = 2; e->base = strtoull(v + 7, 0, 10); } else nb = enc_int(strtoll(v, 0, 10), buf); break;
            case 65: case 66: case 67: case 70: if (!strncmp(v, "{count}", 7)) { e->dyn = 2; e->base = strtoull(v + 7, 0, 10); } else nb = enc_uint(strtoull(v, 0, 10), buf); break;
            case 6: { u32 q[MAXOID]; int k = parse_oid(v, q); if (k < 2) { q[0] = q[1] = 0; k = 2; } nb = enc_oid(q, k, buf); break; }
            case 64: { struct in_addr ia; if (inet_aton(v, &ia)) { memcpy(buf, &ia, 4); nb = 4; } else { memset(buf, 0, 4); nb = 4; } break; }
            case 5: nb = 0; break;
            default: nb = strlen(v); memcpy(buf, v, nb); if (strstr(v, "{ip}") || strstr(v, "{hex}") || strstr(v, "{mac}")) e->dyn = 1;
        }
        e->oid = malloc(n * 4); memcpy(e->oid, o, n * 4); e->n = n;
        u8 eo[MAXOID * 5]; e->neoid = enc_oid(o, n, eo); e->eoid = malloc(e->neoid); memcpy(e->eoid, eo, e->neoid);
        e->val = malloc(nb + 1); memcpy(e->val, buf, nb); e->val[nb] = 0; e->nval = nb; m->n++;
    }
    fclose(f); free(line); qsort(m->e, m->n, sizeof *m->e, cmp_entry);
}

/* ---- BER reading ---- */
struct rd { const u8 *p, *end; };
static int tlv(struct rd *r, u8 *tag, const u8 **v, int *n) {
    if (r->end - r->p < 2) return -1; *tag = *r->p++; u32 l = *r->p++;
    if (l & 0x80) { int k = l & 0x7f; if (k > 4 || r->end - r->p < k) return -1; l = 0; while (k--) l = l << 8 | *r->p++; }
    if ((u64)l > (u64)(r->end - r->p)) return -1; *v = r->p; *n = l; r->p += l; return 0; }
static int rd_int(struct rd *r, int64_t *out) { u8 t; const u8 *v; int n; if (tlv(r, &t, &v, &n) || t != 2 || n < 1 || n > 8) return -1;
    int64_t x = (int8_t)v[0]; for (int i = 1; i < n; i++) x = x << 8 | v[i]; *out = x; return 0; }
static int dec_oid(const u8 *v, int n, u32 *o) { int k = 0; u64 x = 0; if (!n) { o[0]=o[1]=0; return 2; }
    for (int i = 0; i < n; i++) { x = x << 7 | (v[i] & 0x7f); if (!(v[i] & 0x80)) { if (k == 0) { if (x < 40) { o[0]=0; o[1]=x; } else if (x < 80) { o[0]=1; o[1]=x-40; } else { o[0]=2; o[1]=x-80; } k = 2; }
        else { if (k >= MAXOID) return -1; o[k++] = x; } x = 0; } } return k; }

/* ---- BER writing: backwards ---- */
struct wr { u8 *base, *p; };
static void w_raw(struct wr *w, const void *d, int n) { w->p -= n; memcpy(w->p, d, n); }
static void w_hdr(struct wr *w, u8 tag, int n) {
    if (n < 128) *--w->p = n; else { int k = 0; while (n) { *--w->p = n & 0xff; n >>= 8; k++; } *--w->p = 0x80 | k; } *--w->p = tag; }
static void w_int(struct wr *w, int64_t v) { u8 t[9]; int n = enc_int(v, t); w_raw(w, t, n); w_hdr(w, 2, n); }
static int hdr_len(int n) { return n < 128 ? 2 : n < 256 ? 3 : n < 65536 ? 4 : 5; }

/* ---- PDU ---- */
struct ctx { u32 addr; struct model *m; int ver; };
struct ovb { const u8 *eoid; int neoid; u8 tag; const u8 *val; int nval; };
static int find(struct model *m, const u32 *o, int n, int *exact) { int lo = 0, hi = m->n; *exact = 0;
    while (lo < hi) { int mid = (lo + hi) / 2; int c = cmp_oid(m->e[mid].oid, m->e[mid].n, o, n); if (c < 0) lo = mid + 1; else { if (!c) *exact = 1; hi = mid; } } return lo; }
static u8 arena[1 << 20]; static int arena_n;
static void fill(struct ctx *c, struct entry *e, struct ovb *b) {
    b->eoid = e->eoid; b->neoid = e->neoid; b->tag = e->tag; b->val = e->val; b->nval = e->nval;
    if (e->dyn && arena_n < (int)sizeof arena - 1024) {
        u8 *a = arena + arena_n; int n = 0;
        if (e->dyn == 2) n = enc_uint(e->base + (c->addr & 0xffff) + (time(NULL) - t0), a);
        else for (u8 *s = e->val; *s && n < 900;) {
            if (!strncmp((char *)s, "{ip}", 4)) { n += sprintf((char *)a + n, "%u.%u.%u.%u", c->addr >> 24, c->addr >> 16 & 255, c->addr >> 8 & 255, c->addr & 255); s += 4; }
            else if (!strncmp((char *)s, "{hex}", 5)) { n += sprintf((char *)a + n, "%08X", c->addr); s += 5; }
            else if (!strncmp((char *)s, "{mac}", 5)) { a[n++] = 2; a[n++] = 0; for (int i = 24; i >= 0; i -= 8) a[n++] = c->addr >> i; s += 5; }
            else a[n++] = *s++;
        }
        b->val = a; b->nval = n; arena_n += n;
    }
}
static int vb_size(struct ovb *b) { int k = hdr_len(b->neoid) + b->neoid + hdr_len(b->nval) + b->nval; return hdr_len(k) + k; }
#define MAXOUT 8192
static struct ovb out[MAXOUT];

/* process one PDU (tag, contents); writes the response PDU in w; 0 = ok, -1 = drop */
static int do_pdu(struct ctx *c, u8 ptag, const u8 *pv, int pn, struct wr *w, int budget) {
    struct rd r = { pv, pv + pn }; const u8 *ridp = r.p; int64_t rid, f1, f2; if (rd_int(&r, &rid)) return -1; int nrid = r.p - ridp;
    if (rd_int(&r, &f1) || rd_int(&r, &f2)) return -1; u8 t; const u8 *lv; int ln; if (tlv(&r, &t, &lv, &ln) || t != 0x30) return -1;
    struct rd l = { lv, lv + ln }; int n = 0, err = 0, eidx = 0, size = 0; static u32 oids[256][MAXOID]; static int noid[256]; int nin = 0; static struct ovb inb[256];
    arena_n = 0;
    while (l.p < l.end) { const u8 *bv, *ov, *vv; int bn, on, vn; u8 vt; if (tlv(&l, &t, &bv, &bn) || t != 0x30) return -1; struct rd b = { bv, bv + bn };
        if (tlv(&b, &t, &ov, &on) || t != 6 || tlv(&b, &vt, &vv, &vn)) return -1; if (nin >= 256) return -1;
        if ((noid[nin] = dec_oid(ov, on, oids[nin])) < 0) return -1; inb[nin] = (struct ovb){ ov, on, vt, vv, vn }; nin++; }
    struct model *m = c->m; int ex;
    if (nin > maxvb && ptag != 0xa5) { err = 1; S->toobig++; goto fail; }
    if (ptag == 0xa0 || ptag == 0xa1) {
        if (ptag == 0xa0) S->get++; else S->getnext++;
        for (int i = 0; i < nin; i++) { int k = find(m, oids[i], noid[i], &ex); struct ovb *b = &out[n];
            if (ptag == 0xa0 ? ex : 1) { if (ptag == 0xa1 && ex) k++; }
            if (ptag == 0xa0 ? !ex : k >= m->n) { if (c->ver == 0) { err = 2; eidx = i + 1; goto fail; }
                *b = (struct ovb){ inb[i].eoid, inb[i].neoid, ptag == 0xa0 ? 0x80 : 0x82, (u8 *)"", 0 };
                if (ptag == 0xa0 && k < m->n && m->e[k].n >= noid[i]-1 && !cmp_oid(m->e[k].oid, noid[i]-1, oids[i], noid[i]-1)) b->tag = 0x81; }
            else fill(c, &m->e[k], b);
            size += vb_size(b); n++; }
        if (size > budget) { err = 1; S->toobig++; goto fail; }
    } else if (ptag == 0xa5 && c->ver > 0) {
        S->getbulk++; int nr = f1 < 0 ? 0 : f1, mr = f2 < 0 ? 0 : f2; if (nr > nin) nr = nin; int rep = nin - nr; static int pos[256];
        for (int i = 0; i < nr; i++) { int k = find(m, oids[i], noid[i], &ex); k += ex; struct ovb *b = &out[n];
            if (k >= m->n) *b = (struct ovb){ inb[i].eoid, inb[i].neoid, 0x82, (u8 *)"", 0 }; else fill(c, &m->e[k], b);
            size += vb_size(b); if (size > budget) { size -= vb_size(b); goto done; } n++; }
        for (int i = 0; i < rep; i++) { int k = find(m, oids[nr+i], noid[nr+i], &ex); pos[i] = k + ex; }
        for (int j = 0; j < mr && rep; j++) { int alleom = 1;
            for (int i = 0; i < rep; i++) { if (n >= MAXOUT || n >= maxvb) goto done; struct ovb *b = &out[n];
                if (pos[i] >= m->n) { if (m->n && pos[i] > 0 && j > 0) *b = (struct ovb){ m->e[m->n-1].eoid, m->e[m->n-1].neoid, 0x82, (u8 *)"", 0 }; else *b = (struct ovb){ inb[nr+i].eoid, inb[nr+i].neoid, 0x82, (u8 *)"", 0 }; }
                else { fill(c, &m->e[pos[i]++], b); alleom = 0; }
                int s = vb_size(b); if (size + s > budget) goto done; size += s; n++; }
            if (alleom) break; }
    } else { if (c->ver == 0) return -1; err = c->ver ? 6 : 5; eidx = 1; goto fail; }
done:;
    { u8 *e0 = w->p; for (int i = n - 1; i >= 0; i--) { struct ovb *b = &out[i]; u8 *e = w->p; w_raw(w, b->val, b->nval); w_hdr(w, b->tag, b->nval); w_raw(w, b->eoid, b->neoid); w_hdr(w, 6, b->neoid); w_hdr(w, 0x30, e - w->p); }
      w_hdr(w, 0x30, e0 - w->p); w_int(w, 0); w_int(w, 0); w_raw(w, ridp, nrid); w_hdr(w, 0xa2, e0 - w->p); S->varbinds_out += n; return 0; }
fail:
    { u8 *e0 = w->p; if (err != 1 || c->ver == 0) w_raw(w, lv, ln); w_hdr(w, 0x30, e0 - w->p); w_int(w, eidx); w_int(w, err); w_raw(w, ridp, nrid); w_hdr(w, 0xa2, e0 - w->p); return 0; }
}

/* ---- v3 / USM ---- */
static char *v3user; static const EVP_MD *v3md; static int v3priv, v3maclen; static u8 ku_auth[64], ku_priv[64]; static int klen;
static const struct { const char *n; const char *md; int mac; } mds[] = { {"md5","MD5",12}, {"sha","SHA1",12}, {"sha224","SHA224",16}, {"sha256","SHA256",24}, {"sha384","SHA384",32}, {"sha512","SHA512",48} };
static void pw2ku(const char *pw, u8 *ku) { EVP_MD_CTX *x = EVP_MD_CTX_new(); EVP_DigestInit_ex(x, v3md, 0); int n = strlen(pw), i = 0; u8 b[64];
    for (int c = 0; c < 1048576; c += 64) { for (int k = 0; k < 64; k++) b[k] = pw[i++ % n]; EVP_DigestUpdate(x, b, 64); } unsigned l; EVP_DigestFinal_ex(x, ku, &l); klen = l; EVP_MD_CTX_free(x); }
static void localize(const u8 *ku, const u8 *eid, int ne, u8 *kul) { EVP_MD_CTX *x = EVP_MD_CTX_new(); EVP_DigestInit_ex(x, v3md, 0); EVP_DigestUpdate(x, ku, klen); EVP_DigestUpdate(x, eid, ne); EVP_DigestUpdate(x, ku, klen); unsigned l; EVP_DigestFinal_ex(x, kul, &l); EVP_MD_CTX_free(x); }
static void mac(const u8 *key, const u8 *d, int n, u8 *o) { unsigned l; HMAC(v3md, key, klen, d, n, o, &l); }
static int aes(int enc, const u8 *key, u32 boots, u32 tim, const u8 *salt, const u8 *in, int n, u8 *o) { u8 iv[16]; for (int i = 0; i < 4; i++) { iv[i] = boots >> (24 - 8*i); iv[4+i] = tim >> (24 - 8*i); } memcpy(iv + 8, salt, 8);
    EVP_CIPHER_CTX *x = EVP_CIPHER_CTX_new(); int l = 0, k = 0; EVP_CipherInit_ex(x, EVP_aes_128_cfb128(), 0, key, iv, enc); EVP_CipherUpdate(x, o, &l, in, n); EVP_CipherFinal_ex(x, o + l, &k); EVP_CIPHER_CTX_free(x); return l + k; }
static u64 saltctr = 1;
static int do_v3(struct ctx *c, struct rd *r, const u8 *msg, int nmsg, u8 *obuf, u8 **op) {
    u8 t; const u8 *gv, *sv, *uv; int gn, sn, un; if (tlv(r, &t, &gv, &gn) || t != 0x30) return -1; struct rd g = { gv, gv + gn }; int64_t mid, mms, model; const u8 *fl; int nf;
    if (rd_int(&g, &mid) || rd_int(&g, &mms) || tlv(&g, &t, &fl, &nf) || nf != 1 || rd_int(&g, &model) || model != 3) return -1; int flags = fl[0];
    if (tlv(r, &t, &sv, &sn) || t != 4) return -1; struct rd s = { sv, sv + sn }; if (tlv(&s, &t, &uv, &un) || t != 0x30) return -1; s = (struct rd){ uv, uv + un };
    const u8 *eid, *us, *ap, *pp; int ne, nu, na, np; int64_t boots, tim; if (tlv(&s, &t, &eid, &ne) || rd_int(&s, &boots) || rd_int(&s, &tim) || tlv(&s, &t, &us, &nu) || tlv(&s, &t, &ap, &na) || tlv(&s, &t, &pp, &np)) return -1;
    u8 my[9] = { 0x80, 0x00, 0x1f, 0x88, 0x01, c->addr >> 24, c->addr >> 16, c->addr >> 8, c->addr }; u32 mytime = 1000 + (time(NULL) - t0), myboots = 3;
    int report = 0; u8 kul[64], pkul[64]; const u8 *dv; int dn; u8 dt; static u8 plain[BUFSZ]; struct rd d; int authed = 0; u32 statid = 0;
    if (ne != 9 || memcmp(eid, my, 9)) { report = 1; statid = 4; }
    else if (!v3user || nu != (int)strlen(v3user) || memcmp(us, v3user, nu)) { report = 1; statid = 3; }
    else if (flags & 1) { u8 o[64]; static u8 cp[BUFSZ]; if (!v3md) return -1; localize(ku_auth, my, 9, kul); memcpy(cp, msg, nmsg); if (na != v3maclen) { report = 1; statid = 5; } else { memset(cp + (ap - msg), 0, na); mac(kul, cp, nmsg, o); if (memcmp(o, ap, na)) { report = 1; statid = 5; S->auth_fail++; } else { authed = 1; if (boots != myboots || llabs(tim - (int64_t)mytime) > 150) { report = 1; statid = 2; } } } }
    else if (v3md) { report = 1; statid = 1; }
    int64_t rid = 0; const u8 *cid = my; int ncid = 9; const u8 *cn = (u8 *)""; int ncn = 0; u8 ptag = 0; const u8 *pv = 0; int pn = 0;
    if (!report) { if (flags & 2) { if (!v3priv || np != 8) return -1; const u8 *ev; int en; if (tlv(r, &t, &ev, &en) || t != 4) return -1; localize(ku_priv, my, 9, pkul); aes(0, pkul, boots, tim, pp, ev, en, plain); d = (struct rd){ plain, plain + en }; } else d = *r; }
    else d = *r;
    if (!(report && (flags & 2))) { if (tlv(&d, &dt, &dv, &dn) || dt != 0x30) { S->bad++; return -1; } struct rd q = { dv, dv + dn }; if (tlv(&q, &t, &cid, &ncid) || tlv(&q, &t, &cn, &ncn) || tlv(&q, &ptag, &pv, &pn)) return -1; struct rd pr = { pv, pv + pn }; rd_int(&pr, &rid); }
    if (report && !(flags & 4)) return -1;
    struct wr w = { obuf, obuf + 2 * BUFSZ }; u8 *E = w.p; 
    if (report) { S->reports++; u8 cnt[4] = { 1 }; u32 o[] = { 1,3,6,1,6,3,15,1,1, statid, 0 }; u8 eo[32]; int k = enc_oid(o, 11, eo); u8 *e = w.p; w_raw(&w, cnt, 1); w_hdr(&w, 0x41, 1); w_raw(&w, eo, k); w_hdr(&w, 6, k); w_hdr(&w, 0x30, e - w.p); w_hdr(&w, 0x30, e - w.p); w_int(&w, 0); w_int(&w, 0); w_int(&w, rid); w_hdr(&w, 0xa8, e - w.p); ncid = 9; cid = my; }
    else { int b = (mms < maxmsg ? mms : maxmsg) - 140; c->ver = 3; if (do_pdu(c, ptag, pv, pn, &w, b)) return -1; }
    w_raw(&w, cn, ncn); w_hdr(&w, 4, ncn); w_raw(&w, my, 9); w_hdr(&w, 4, 9); w_hdr(&w, 0x30, E - w.p);
    int oflags = report ? (authed && statid == 2 ? 1 : 0) : flags & 3; u8 salt[8]; int nsalt = 0;
    if (oflags & 2) { u64 sc = ++saltctr; memcpy(salt, &sc, 8); nsalt = 8; static u8 ct[2 * BUFSZ]; int n = E - w.p; aes(1, pkul, myboots, mytime, salt, w.p, n, ct); w.p = E; w_raw(&w, ct, n); w_hdr(&w, 4, n); }
    u8 *us0 = w.p; w_raw(&w, salt, nsalt); w_hdr(&w, 4, nsalt); u8 z[64] = {0}; int ml = oflags & 1 ? v3maclen : 0; w_raw(&w, z, ml); u8 *macp = w.p; w_hdr(&w, 4, ml); w_raw(&w, us, nu); w_hdr(&w, 4, nu); w_int(&w, mytime); w_int(&w, myboots); w_raw(&w, my, 9); w_hdr(&w, 4, 9); w_hdr(&w, 0x30, us0 - w.p); w_hdr(&w, 4, us0 - w.p);
    u8 *g0 = w.p; w_int(&w, 3); u8 of = oflags; w_raw(&w, &of, 1); w_hdr(&w, 4, 1); w_int(&w, 65507); w_int(&w, mid); w_hdr(&w, 0x30, g0 - w.p); w_int(&w, 3); w_hdr(&w, 0x30, E - w.p);
    if (ml) { u8 o[64]; mac(kul, w.p, E - w.p, o); memcpy(macp, o, ml); }
    *op = w.p; return E - w.p;
}

/* one datagram in, response length out (0 = silent) */
static u8 obuf[2 * BUFSZ];
static int handle(u32 dst, const u8 *msg, int n, u8 **op) {
    S->rx_pkts++; S->rx_bytes += n;
    if (!is_alive(dst)) { S->rx_dark++; return 0; }
    if (loss > 0 && drand48() < loss) { S->lost++; return 0; }
    struct rd r = { msg, msg + n }; u8 t; const u8 *v; int vn; if (tlv(&r, &t, &v, &vn) || t != 0x30) { S->bad++; return 0; }
    int total = r.p - msg; r = (struct rd){ v, v + vn }; int64_t ver; struct ctx c = { dst, model_of(dst), 0 }; if (rd_int(&r, &ver)) { S->bad++; return 0; }
    if (ver == 3) { S->v3++; int k = do_v3(&c, &r, msg, total, obuf, op); return k > 0 ? k : 0; }
    if (ver > 1 || ver < 0) { S->bad++; return 0; } c.ver = ver; if (ver) S->v2c++; else S->v1++;
    const u8 *cv, *pv; int cn, pn; u8 pt; if (tlv(&r, &t, &cv, &cn) || t != 4 || tlv(&r, &pt, &pv, &pn)) { S->bad++; return 0; }
    if (community && (cn != (int)strlen(community) || memcmp(cv, community, cn))) { S->rx_bad_community++; return 0; }
    struct wr w = { obuf, obuf + 2 * BUFSZ }; u8 *E = w.p; if (do_pdu(&c, pt, pv, pn, &w, maxmsg - 40 - cn)) { S->bad++; return 0; }
    w_raw(&w, cv, cn); w_hdr(&w, 4, cn); w_int(&w, ver); w_hdr(&w, 0x30, E - w.p); *op = w.p; return E - w.p;
}

/* ---- delayed answers: binary heap ---- */
struct job { u64 due; struct sockaddr_in to; u32 src; int n; u8 *d; };
static struct job *heap; static int hn, hc;
static void hpush(struct job j) { if (hn == hc) heap = realloc(heap, (hc = hc ? hc * 2 : 4096) * sizeof *heap); int i = hn++; while (i && heap[(i-1)/2].due > j.due) { heap[i] = heap[(i-1)/2]; i = (i-1)/2; } heap[i] = j; }
static struct job hpop(void) { struct job r = heap[0], l = heap[--hn]; int i = 0; for (;;) { int k = 2*i+1; if (k >= hn) break; if (k+1 < hn && heap[k+1].due < heap[k].due) k++; if (heap[k].due >= l.due) break; heap[i] = heap[k]; i = k; } heap[i] = l; return r; }

static volatile sig_atomic_t stop; static void onsig(int s) { (void)s; stop = 1; }
int main(int argc, char **argv) {
    int port = 161, o, list = 0; struct in_addr bind_a = { INADDR_ANY }; char *sf = NULL; int realsrc = 0;
    while ((o = getopt(argc, argv, "p:b:n:a:s:m:x:d:j:l:c:S:u:LR")) != -1) switch (o) {
        case 'p': port = atoi(optarg); break; case 'b': inet_aton(optarg, &bind_a); break;
        case 'n': { char *s = strchr(optarg, '/'); int pl = 32; if (s) { *s = 0; pl = atoi(s + 1); } struct in_addr a; inet_aton(optarg, &a); net_mask = pl ? ~0u << (32 - pl) : 0; net_addr = ntohl(a.s_addr) & net_mask; break; }
        case 'a': alive_frac = !strcmp(optarg, "all") ? 1.0 : atof(optarg); break; case 's': seed = strtoull(optarg, 0, 10); break;
        case 'm': maxmsg = atoi(optarg); break; case 'x': maxvb = atoi(optarg); break; case 'd': delay_us = atof(optarg) * 1000; break; case 'j': jitter_us = atof(optarg) * 1000; break;
        case 'l': loss = atof(optarg); break; case 'c': community = optarg; break; case 'S': sf = optarg; break; case 'L': list = 1; break; case 'R': realsrc = 1; break;
        case 'u': { v3user = strtok(optarg, ","); char *h = strtok(0, ","), *ap = strtok(0, ","), *pr = strtok(0, ","), *pp = strtok(0, ",");
            if (h && strcmp(h, "none")) { for (unsigned i = 0; i < sizeof mds / sizeof *mds; i++) if (!strcmp(h, mds[i].n)) { v3md = EVP_get_digestbyname(mds[i].md); v3maclen = mds[i].mac; } if (!v3md) { fprintf(stderr, "bad auth %s\n", h); return 2; } pw2ku(ap, ku_auth); if (pr && !strcmp(pr, "aes")) { v3priv = 1; pw2ku(pp, ku_priv); } } break; }
        default: return 2; }
    if (optind >= argc) { fprintf(stderr, "no .snmprec\n"); return 2; }
    t0 = time(NULL); nmodels = argc - optind; models = calloc(nmodels, sizeof *models); for (int i = 0; i < nmodels; i++) load(argv[optind + i], &models[i]);
    if (list) { for (u64 a = net_addr; a <= (net_addr | ~net_mask); a++) if (is_alive(a)) printf("%u.%u.%u.%u %s\n", (u32)a >> 24, (u32)a >> 16 & 255, (u32)a >> 8 & 255, (u32)a & 255, model_of(a)->name); return 0; }
    if (sf) { int fd = open(sf, O_RDWR | O_CREAT, 0644); if (fd < 0 || ftruncate(fd, 4096)) { perror(sf); return 2; } S = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0); memset(S, 0, sizeof *S); } else S = calloc(1, sizeof *S);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0), one = 1, rb = 256 << 20; setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &one, sizeof one);
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &rb, sizeof rb)) setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &rb, sizeof rb); if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &rb, sizeof rb)) setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &rb, sizeof rb);
    if (net_addr >> 24 == 127 && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 2)) { perror("bind to lo"); return 2; }
    struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = bind_a }; if (bind(fd, (void *)&sa, sizeof sa)) { perror("bind"); return 2; }
    struct sigaction act = { .sa_handler = onsig }; sigaction(SIGTERM, &act, 0); sigaction(SIGINT, &act, 0);
    static u8 ib[BATCH][2048], sb[BATCH][BUFSZ], ic[BATCH][64], oc[BATCH][64]; static struct sockaddr_in from[BATCH], to[BATCH]; static struct mmsghdr im[BATCH], om[BATCH]; static struct iovec iv[BATCH], ov[BATCH]; int no = 0;
    fprintf(stderr, "snmpsim: port %d, %d models\n", port, nmodels);
#define FLUSH do { int q = 0; while (q < no) { int k = sendmmsg(fd, om + q, no - q, 0); if (k < 0) { if (errno == EAGAIN) { struct pollfd pf = { fd, POLLOUT, 0 }; poll(&pf, 1, 100); continue; } if (errno == EINTR && !stop) continue; q++; continue; } q += k; } no = 0; } while (0)
#define EMIT(TO, SRC, D, N) do { memcpy(sb[no], D, N); to[no] = TO; ov[no] = (struct iovec){ sb[no], N }; om[no].msg_hdr = (struct msghdr){ .msg_name = &to[no], .msg_namelen = sizeof to[no], .msg_iov = &ov[no], .msg_iovlen = 1, .msg_control = oc[no], .msg_controllen = CMSG_SPACE(sizeof(struct in_pktinfo)) }; \
        struct cmsghdr *cm = CMSG_FIRSTHDR(&om[no].msg_hdr); cm->cmsg_level = IPPROTO_IP; cm->cmsg_type = IP_PKTINFO; cm->cmsg_len = CMSG_LEN(sizeof(struct in_pktinfo)); struct in_pktinfo pi = {0}; pi.ipi_spec_dst.s_addr = htonl(SRC); memcpy(CMSG_DATA(cm), &pi, sizeof pi); \
        S->tx_pkts++; S->tx_bytes += N; if (++no == BATCH) FLUSH; } while (0)
    while (!stop) {
        u64 now = (hn || delay_us) ? now_us() : 0; int tmo = -1; while (hn && heap[0].due <= now) { struct job j = hpop(); EMIT(j.to, j.src, j.d, j.n); free(j.d); }
        if (no) FLUSH;
        for (int i = 0; i < BATCH; i++) { iv[i] = (struct iovec){ ib[i], sizeof ib[i] }; im[i].msg_hdr = (struct msghdr){ .msg_name = &from[i], .msg_namelen = sizeof from[i], .msg_iov = &iv[i], .msg_iovlen = 1, .msg_control = ic[i], .msg_controllen = sizeof ic[i] }; }
        int k = recvmmsg(fd, im, BATCH, 0, NULL);
        if (k <= 0) { if (hn) { u64 d = heap[0].due; now = now_us(); tmo = d > now ? (d - now + 999) / 1000 : 0; } struct pollfd pf = { fd, POLLIN, 0 }; poll(&pf, 1, tmo); continue; }
        for (int i = 0; i < k; i++) { u32 dst = 0; for (struct cmsghdr *cm = CMSG_FIRSTHDR(&im[i].msg_hdr); cm; cm = CMSG_NXTHDR(&im[i].msg_hdr, cm)) if (cm->cmsg_level == IPPROTO_IP && cm->cmsg_type == IP_PKTINFO) { struct in_pktinfo pi; memcpy(&pi, CMSG_DATA(cm), sizeof pi); dst = ntohl(realsrc ? pi.ipi_spec_dst.s_addr : pi.ipi_addr.s_addr); }
            u8 *op = 0; int n = handle(dst, ib[i], im[i].msg_len, &op); if (n <= 0) continue;
            if (delay_us || jitter_us) { struct job j = { now_us() + delay_us + (jitter_us ? (u64)(drand48() * jitter_us) : 0), from[i], dst, n, malloc(n) }; memcpy(j.d, op, n); hpush(j); } else EMIT(from[i], dst, op, n); }
    }
    u64 *c = (u64 *)S; fprintf(stderr, "snmpsim: rx %lu tx %lu dark %lu bad %lu\n", c[0], c[2], c[4], c[9]); return 0;
}

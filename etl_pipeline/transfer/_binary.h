/* Values as fields of PostgreSQL's binary COPY, and their hashes.
 *
 * PostgreSQL spends a third less time on a row that it need not parse. What is written here is what
 * its own input functions would make of the value's text. A value that has no form known here is no
 * error: the answer is NULL, and the text is sent.
 *
 * A tuple: the number of fields in two bytes, then for each field its length in four (-1 for NULL)
 * and its bytes, all big-endian (PostgreSQL's documentation of COPY, "Binary Format"). The bytes
 * are those of the types' receive functions.
 *
 * A row's hash is what PostgreSQL's hash_record_extended(row, 0) makes of it (floating-point numbers
 * as float8send and float4send give them): hashing here costs a fifth of what it costs there. Its
 * own hashes of values are those of Bob Jenkins' lookup3; rows and numbers are put together as in
 * rowtypes.c and numeric.c. Another release may do otherwise, so who uses the hashes asks PostgreSQL
 * for a part of them.
 *
 * A field takes its value's text and MOST_BESIDE bytes at most. An interval has four of length and
 * sixteen of its own; a numeric has four of length, eight of header, and two for each four digits,
 * of which the first and the last may have one.
 */
#include <math.h>
#include <stdint.h>
#include <string.h>

#define MOST_BESIDE 20

enum kind { PG_TEXT = 0, PG_INT2, PG_INT4, PG_INT8, PG_FLOAT8, PG_NUMERIC, PG_DATE, PG_TIMESTAMP,
            PG_INTERVAL, PG_BYTEA, PG_BOOLEAN, PG_FLOAT4, KINDS };

#define DAY_MICROSECONDS 86400000000LL
#define EPOCH_DAYS 730425 /* of 2000-01-01, where days are counted as in days_of() */

/* The bytes copied, and where the copy ends. Most values are short: a call costs more than they. */
static inline unsigned char *
put_bytes(unsigned char *out, const unsigned char *from, size_t size)
{
    if (size > 16)
        memcpy(out, from, size);
    else if (size >= 8) {
        uint64_t first, last;
        memcpy(&first, from, 8);
        memcpy(&last, from + size - 8, 8);
        memcpy(out, &first, 8);
        memcpy(out + size - 8, &last, 8);
    } else if (size >= 4) {
        uint32_t first, last;
        memcpy(&first, from, 4);
        memcpy(&last, from + size - 4, 4);
        memcpy(out, &first, 4);
        memcpy(out + size - 4, &last, 4);
    } else if (size) {
        unsigned char middle = from[size / 2], last = from[size - 1];
        out[0] = from[0];
        out[size / 2] = middle;
        out[size - 1] = last;
    }
    return out + size;
}

static inline unsigned char *
put16(unsigned char *out, uint16_t value)
{
    *out++ = (unsigned char)(value >> 8);
    *out++ = (unsigned char)value;
    return out;
}

static inline unsigned char *
put32(unsigned char *out, uint32_t value)
{
    return put16(put16(out, (uint16_t)(value >> 16)), (uint16_t)value);
}

static inline unsigned char *
put64(unsigned char *out, uint64_t value)
{
    return put32(put32(out, (uint32_t)(value >> 32)), (uint32_t)value);
}

static inline uint32_t
word(const unsigned char *at)
{
    return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

/* lookup3 of bytes, as a little-endian machine reads them, in 64 bits. */
#define ROTATE(x, k) ((x) << (k) | (x) >> (32 - (k)))
#define HASH_START 0x9e3779b9U + 3923095U

static inline uint64_t
hash_end(uint32_t a, uint32_t b, uint32_t c)
{
    c = (c ^ b) - ROTATE(b, 14);
    a = (a ^ c) - ROTATE(c, 11);
    b = (b ^ a) - ROTATE(a, 25);
    c = (c ^ b) - ROTATE(b, 16);
    a = (a ^ c) - ROTATE(c, 4);
    b = (b ^ a) - ROTATE(a, 14);
    c = (c ^ b) - ROTATE(b, 24);
    return (uint64_t)b << 32 | c;
}

static uint64_t
hash_bytes(const unsigned char *at, size_t size)
{
    uint32_t a = HASH_START + (uint32_t)size, b = a, c = a;
    for (; size >= 12; at += 12, size -= 12) {
        a += word(at);
        b += word(at + 4);
        c += word(at + 8);
        a = (a - c) ^ ROTATE(c, 4), c += b;
        b = (b - a) ^ ROTATE(a, 6), a += c;
        c = (c - b) ^ ROTATE(b, 8), b += a;
        a = (a - c) ^ ROTATE(c, 16), c += b;
        b = (b - a) ^ ROTATE(a, 19), a += c;
        c = (c - b) ^ ROTATE(b, 4), b += a;
    }
    /* What is left, in words; the lowest byte of the third is the length's. */
    unsigned char rest[13] = {0};
    put_bytes(rest, at, size < 8 ? size : 8);
    if (size > 8)
        put_bytes(rest + 9, at + 8, size - 8);
    return hash_end(a + word(rest), b + word(rest + 4), c + word(rest + 8));
}

static inline uint64_t
hash_int32(int32_t value)
{
    return hash_end(HASH_START + 4 + (uint32_t)value, HASH_START + 4, HASH_START + 4);
}

/* A value that fits into 32 bits has the same hash as there. */
static inline uint64_t
hash_int64(int64_t value)
{
    uint32_t high = (uint32_t)((uint64_t)value >> 32);
    return hash_int32((int32_t)((uint32_t)value ^ (value >= 0 ? high : ~high)));
}

static inline unsigned char *
put_null(unsigned char *out, uint64_t *hash)
{
    *hash = 0;
    return put32(out, 0xFFFFFFFF);
}

/* The bytes of a text or of a bytea. */
static inline unsigned char *
put_plain(unsigned char *out, const unsigned char *value, size_t size, uint64_t *hash)
{
    if (size > INT32_MAX)
        return NULL;
    *hash = hash_bytes(value, size);
    return put_bytes(put32(out, (uint32_t)size), value, size);
}

static inline int
is_digit(unsigned char byte)
{
    return byte >= '0' && byte <= '9';
}

/* A decimal as PostgreSQL's digits to the base of 10000; NULL if the text is none. */
static unsigned char *
put_numeric(unsigned char *out, const unsigned char *at, const unsigned char *end, uint64_t *hash)
{
    int is_negative = at < end && *at == '-';
    const unsigned char *whole = at += is_negative;
    while (at < end && is_digit(*at))
        at++;
    int before = at - whole > 100 ? 0 : (int)(at - whole);
    const unsigned char *decimals = at;
    if (at < end && *at == '.') {
        decimals = ++at;
        while (at < end && is_digit(*at))
            at++;
        if (at == decimals)
            return NULL;
    }
    if (!before || at != end || end - decimals > 100)
        return NULL;
    int after = (int)(end - decimals);
    /* The digits aligned at the point, in groups of four. */
    uint16_t groups[52];
    int count = 0, weight = (before + 3) / 4 - 1;
    for (int start = before - 4 * (weight + 1); start < after + before; start += 4) {
        int group = 0;
        for (int i = start; i < start + 4; i++) {
            int digit = i < 0 || i >= before + after ? 0
                        : (i < before ? whole[i] : decimals[i - before]) - '0';
            group = group * 10 + digit;
        }
        groups[count++] = (uint16_t)group;
    }
    int first = 0;
    while (first < count && !groups[first]) {
        first++;
        weight--;
    }
    while (count > first && !groups[count - 1])
        count--;
    if (first == count)
        is_negative = 0, weight = 0;
    out = put32(out, (uint32_t)(8 + 2 * (count - first)));
    out = put16(out, (uint16_t)(count - first));
    out = put16(out, (uint16_t)weight);
    out = put16(out, is_negative ? 0x4000 : 0);
    out = put16(out, (uint16_t)after);
    unsigned char digits[2 * 52];
    size_t size = 0;
    for (; first < count; first++, size += 2) {
        out = put16(out, groups[first]);
        digits[size] = (unsigned char)groups[first];
        digits[size + 1] = (unsigned char)(groups[first] >> 8);
    }
    *hash = size ? hash_bytes(digits, size) ^ (uint64_t)(int64_t)weight : UINT64_MAX;
    return out;
}

/* A value whose text is at hand. */
static inline unsigned char *
put_text(unsigned char *out, const unsigned char *at, const unsigned char *end, unsigned char kind,
         uint64_t *hash)
{
    switch (kind) {
    case PG_TEXT:
        return put_plain(out, at, (size_t)(end - at), hash);
    case PG_NUMERIC:
        return put_numeric(out, at, end, hash);
    case PG_BOOLEAN: /* a bit */
        if (end - at != 1 || (*at != '0' && *at != '1'))
            return NULL;
        *hash = hash_int32(*at == '1');
        out = put32(out, 1);
        *out++ = *at == '1';
        return out;
    default:
        return NULL;
    }
}

static inline unsigned char *
put_integer(unsigned char *out, int64_t value, unsigned char kind, uint64_t *hash)
{
    *hash = hash_int64(value);
    switch (kind) {
    case PG_INT2:
        return value < INT16_MIN || value > INT16_MAX ? NULL : put16(put32(out, 2), (uint16_t)value);
    case PG_INT4:
        return value < INT32_MIN || value > INT32_MAX ? NULL : put32(put32(out, 4), (uint32_t)value);
    default:
        return put64(put32(out, 8), (uint64_t)value);
    }
}

static inline unsigned char *
put_float(unsigned char *out, double value, unsigned char kind, uint64_t *hash)
{
    if (kind == PG_FLOAT8) {
        uint64_t bits;
        memcpy(&bits, &value, sizeof bits);
        out = put64(put32(out, 8), bits);
        *hash = hash_bytes(out - 8, 8);
        return out;
    }
    float half = (float)value;
    uint32_t bits;
    if ((double)half != value) /* it is PostgreSQL who refuses what a real cannot hold */
        return NULL;
    memcpy(&bits, &half, sizeof bits);
    out = put32(put32(out, 4), bits);
    *hash = hash_bytes(out - 4, 4);
    return out;
}

/* Days since the first of March of year 0, in the Gregorian calendar. */
static inline int64_t
days_of(int64_t year, int64_t month, int64_t day)
{
    int64_t y = month > 2 ? year : year - 1;
    int64_t m = month > 2 ? month - 3 : month + 9;
    return y * 365 + y / 4 - y / 100 + y / 400 + (m * 153 + 2) / 5 + day - 1;
}

/* A day since 2000-01-01; 0 if it is not in the calendar. */
static inline int
find_day(unsigned year, unsigned month, unsigned day, int64_t *days)
{
    static const unsigned lengths[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (year < 1 || month < 1 || month > 12 || day < 1 || day > lengths[month - 1])
        return 0;
    if (month == 2 && day == 29 && (year % 4 || (year % 100 == 0 && year % 400)))
        return 0;
    *days = days_of(year, month, day) - EPOCH_DAYS;
    return 1;
}

static inline unsigned char *
put_day(unsigned char *out, int64_t days, uint64_t *hash)
{
    *hash = hash_int32((int32_t)days);
    return put32(put32(out, 4), (uint32_t)days);
}

static inline unsigned char *
put_moment(unsigned char *out, int64_t microseconds, uint64_t *hash)
{
    *hash = hash_int64(microseconds);
    return put64(put32(out, 8), (uint64_t)microseconds);
}

/* An interval of no days and no months. */
static inline unsigned char *
put_interval(unsigned char *out, int64_t microseconds, uint64_t *hash)
{
    *hash = hash_int64(microseconds);
    return put64(put64(put32(out, 16), (uint64_t)microseconds), 0);
}

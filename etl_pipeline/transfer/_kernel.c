/* The kernel: a block of MySQL's row packets becomes a block of lines, and of tuples for PostgreSQL.
 *
 * kernel_python.py is the same function in Python and says what the lines are. Both give the same bytes,
 * counts and errors for every input; a property test and a fuzzer hold them together. Tuples are
 * made here alone, and _binary.h says what they are.
 *
 * The bytes come from the network, so nothing in them is believed: every length is compared with
 * what is left of the row before it is used. Whether a row has room in the output is asked before
 * it is written. A byte of a value with a length becomes two at most (an escape, two digits), and
 * what any other value, a tab, "\\N" and PostgreSQL's prefix of hexadecimal digits take is known of
 * each column: see most_bytes(). A tuple takes a value's bytes once: see most_beside().
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "_binary.h"

enum mode { PLAIN = 0, TEXT = 1, DATE = 2, BINARY = 3, GEOMETRY = 4, REAL = 5, MODES };
enum wire { BYTES = 0, INT1, UINT1, INT2, UINT2, INT4, UINT4, INT8, UINT8, FLOAT, DOUBLE,
            DATE_ONLY, DATETIME, TIME, WIRES };
enum status { MORE = 0, END = 1, SERVER_ERROR = 2, MALFORMED = 3, FULL = 4 };

typedef struct {
    unsigned char mode, wire, digits;
} Column;

#ifndef FULL_PACKET /* the fuzzer makes it small: then every block holds rows of many packets */
#define FULL_PACKET 0xFFFFFF
#endif
#define NULL_BITS_OFFSET 2 /* of the bits that say which columns are NULL, the first is the third */
#define MOST_DIGITS 255
#define MOST_COLUMNS 1600
#define SRID_BYTES 4

/* Bytes that are written, in a bytes object that grows. */
typedef struct {
    PyObject *object; /* NULL before the first byte, and without memory for more */
    unsigned char *start;
    Py_ssize_t room, written;
} Output;

/* What a pass over a block has done so far. */
typedef struct {
    Output text;
    Output tuples;
    const unsigned char *kinds; /* of each column's field; NULL where no tuples are made (any more) */
    int64_t high, low;          /* sums of the rows' hashes: of the upper 32 bits, signed; the lower */
    Py_ssize_t rows;
    Py_ssize_t consumed;
    enum status status;
    const unsigned char *error; /* in the block or in the joined payload; NULL without an error */
    Py_ssize_t error_size;
    int is_altered;
    /* By column; of one of mode REAL, the first are its negative zeros. */
    unsigned long long *zero_dates, *nul_characters;
} Pass;

static Py_ssize_t
room_of(const Output *output)
{
    return output->room - output->written;
}

/* Letter of the escape for each byte that has one; 0 for every other byte. */
static const unsigned char ESCAPE[256] = {
    ['\t'] = 't', ['\n'] = 'n', ['\r'] = 'r', ['\\'] = '\\', ['\0'] = '0',
};

static int
is_zero_date(const unsigned char *value, Py_ssize_t size)
{
    /* "0000-...", "....-00-..." or "....-..-00": a date without a year, month or day. */
    if (size >= 5 && memcmp(value, "0000-", 5) == 0)
        return 1;
    if (size >= 8 && memcmp(value + 4, "-00-", 4) == 0)
        return 1;
    return size >= 10 && value[4] == '-' && value[7] == '-' && value[8] == '0' && value[9] == '0';
}

static int
has_digits(unsigned char mode)
{
    return mode == BINARY || mode == GEOMETRY;
}

static int
is_negative_zero(unsigned char mode, const unsigned char *value, Py_ssize_t size)
{
    return mode == REAL && size == 2 && value[0] == '-' && value[1] == '0';
}

/* The first byte that has an escape, or the end. */
static const unsigned char *
find_special(const unsigned char *at, const unsigned char *end)
{
    const uint64_t ones = 0x0101010101010101U, tops = 0x8080808080808080U;
    for (; end - at >= 8; at += 8) {
        uint64_t bytes, other;
        memcpy(&bytes, at, sizeof bytes);
        other = bytes ^ ones * '\\';
        /* Whether a byte is below 14, or a backslash; if not, none of the eight has an escape
         * (Warren, "Hacker's Delight", 6-1: a byte that is less than another borrows). */
        if ((((bytes - ones * 14) & ~bytes) | ((other - ones) & ~other)) & tops)
            break;
    }
    while (at < end && !ESCAPE[*at])
        at++;
    return at;
}

/* A text with its escapes, and the number of NUL characters that it has added to `nuls`. */
static unsigned char *
escape(unsigned char *out, const unsigned char *value, Py_ssize_t size, int for_copy,
       unsigned long long *nuls)
{
    const unsigned char *end = value + size;
    for (;; value++) {
        const unsigned char *special = find_special(value, end);
        out = put_bytes(out, value, (size_t)(special - value));
        value = special;
        if (value == end)
            return out;
        *nuls += !*value;
        if (*value || !for_copy) { /* PostgreSQL's text holds no NUL: it is left out there */
            *out++ = '\\';
            *out++ = ESCAPE[*value];
        }
    }
}

static unsigned char *
hexadecimal(unsigned char *out, const unsigned char *value, Py_ssize_t size, int for_copy)
{
    static const char digits[] = "0123456789abcdef";
    if (for_copy) { /* \x, whose backslash COPY wants escaped */
        memcpy(out, "\\\\x", 3);
        out += 3;
    }
    for (Py_ssize_t i = 0; i < size; i++) {
        *out++ = (unsigned char)digits[value[i] >> 4];
        *out++ = (unsigned char)digits[value[i] & 15];
    }
    return out;
}

static uint64_t
little_endian(const unsigned char *at, int width)
{
    uint64_t value = 0;
    if (width == 8) /* spelled out, it is one instruction */
        return word(at) | (uint64_t)word(at + 4) << 32;
    for (int i = 0; i < width; i++)
        value |= (uint64_t)at[i] << (8 * i);
    return value;
}

/* Two digits of a number below 100. */
static unsigned char *
put_two(unsigned char *out, unsigned value)
{
    static const char pairs[] = "00010203040506070809101112131415161718192021222324252627282930313233"
                                "34353637383940414243444546474849505152535455565758596061626364656667"
                                "6869707172737475767778798081828384858687888990919293949596979899";
    memcpy(out, pairs + 2 * value, 2);
    return out + 2;
}

/* `value` in `digits` digits at least, which are MOST_DIGITS at most. */
static unsigned char *
put_number(unsigned char *out, uint64_t value, int digits)
{
    unsigned char printed[20], *at = printed + sizeof printed;
    if (value < 10 && digits < 2) {
        *out++ = (unsigned char)('0' + value);
        return out;
    }
    for (; value > 9; value /= 100)
        put_two(at -= 2, (unsigned)(value % 100));
    /* A number of an even number of digits above 9 has been printed to its last. */
    if (value || at == printed + sizeof printed)
        *--at = (unsigned char)('0' + value);
    int size = (int)(printed + sizeof printed - at);
    for (; digits > size; digits--)
        *out++ = '0';
    return put_bytes(out, at, (size_t)size);
}

/* The digits of a number with its point after the first, `exponent` to the power of ten. */
static unsigned char *
put_decimal(unsigned char *out, const unsigned char *digits, int count, int exponent)
{
    if (exponent < -8 || exponent > 14) {
        *out++ = digits[0];
        if (count > 1)
            *out++ = '.';
        memcpy(out, digits + 1, (size_t)(count - 1));
        out += count - 1;
        *out++ = 'e';
        if (exponent < 0)
            *out++ = '-';
        return put_number(out, (uint64_t)abs(exponent), 1);
    }
    if (exponent < 0) {
        *out++ = '0';
        *out++ = '.';
        for (int i = exponent + 1; i < 0; i++)
            *out++ = '0';
    }
    for (int i = 0; i < count || i <= exponent; i++) {
        if (i && i == exponent + 1)
            *out++ = '.';
        *out++ = i < count ? digits[i] : '0';
    }
    return out;
}

/* The first of 15, 16 and 17 digits that are read as the same number; NULL if it is no number. */
static unsigned char *
put_double(unsigned char *out, double value)
{
    unsigned char digits[20];
    int count = 0, exponent = 0;
    if (!isfinite(value))
        return NULL;
    if (signbit(value)) {
        *out++ = '-';
        value = -value;
    }
    /* Nearly all numbers that people write: a whole one of 15 digits at most, divided by a power of
     * ten, of which both are exact. The fewest decimals are tried first. */
    if (value < 1e15) {
        double power = 1;
        for (int decimals = 0; decimals <= 6 && value * power < 1e15; decimals++, power *= 10) {
            uint64_t whole = (uint64_t)(value * power + 0.5);
            if ((double)whole / power != value)
                continue;
            unsigned char *end = put_number(out, whole, decimals + 1);
            if (!decimals)
                return end;
            memmove(end - decimals + 1, end - decimals, (size_t)decimals);
            end[-decimals] = '.';
            return end + 1;
        }
    }
    for (int most = 15; most <= 17; most++) {
        char printed[40], whole[40];
        snprintf(printed, sizeof printed, "%.*e", most - 1, value);
        /* Past the point, which another locale prints as something else. */
        count = 0;
        const char *at = printed;
        for (; *at != 'e'; at++)
            if (*at >= '0' && *at <= '9')
                digits[count++] = (unsigned char)*at;
        exponent = atoi(at + 1);
        snprintf(whole, sizeof whole, "%.*se%d", count, (const char *)digits, exponent - count + 1);
        if (strtod(whole, NULL) == value)
            break;
    }
    while (count > 1 && digits[count - 1] == '0')
        count--;
    return put_decimal(out, digits, count, exponent);
}

/* The parts of a date or a time; those that were left out at its end are zero. */
typedef struct {
    int is_negative;
    unsigned year, month, day; /* of a date */
    uint64_t hours;            /* of a day, or of a duration */
    unsigned minutes, seconds, microseconds;
} Moment;

/* A date, and a time of day where `is_timed`, of 0, 4, 7 or 11 bytes; 0 if it is none. */
static int
read_date(const unsigned char *at, Py_ssize_t size, int is_timed, Moment *moment)
{
    *moment = (Moment){0};
    if (size != 0 && size != 4 && !(is_timed && (size == 7 || size == 11)))
        return 0;
    if (size >= 4) {
        moment->year = at[0] | (unsigned)at[1] << 8;
        moment->month = at[2];
        moment->day = at[3];
    }
    if (size >= 7) {
        moment->hours = at[4];
        moment->minutes = at[5];
        moment->seconds = at[6];
    }
    if (size == 11)
        moment->microseconds = word(at + 7);
    return moment->year <= 9999 && moment->month <= 99 && moment->day <= 99 && moment->hours <= 99;
}

/* A time of 0, 8 or 12 bytes: whether it is negative, days, hours, minutes, seconds, millionths; 0 if
 * it is none. */
static int
read_time(const unsigned char *at, Py_ssize_t size, Moment *moment)
{
    *moment = (Moment){0};
    if (size != 0 && size != 8 && size != 12)
        return 0;
    if (size >= 8) {
        uint64_t days = word(at + 1);
        if (at[0] > 1 || days > 99 || at[5] > 99)
            return 0;
        moment->is_negative = at[0];
        moment->hours = days * 24 + at[5];
        moment->minutes = at[6];
        moment->seconds = at[7];
    }
    if (size == 12)
        moment->microseconds = word(at + 8);
    return 1;
}

/* "HH:MM:SS", and as many decimals as the column has, or as there must be; NULL if it is no time. */
static unsigned char *
put_clock(unsigned char *out, const Moment *moment, int digits)
{
    static const unsigned powers[] = {1000000, 100000, 10000, 1000, 100, 10, 1};
    unsigned microseconds = moment->microseconds;
    if (moment->minutes > 99 || moment->seconds > 99 || microseconds > 999999)
        return NULL;
    if (digits > 6 || microseconds % powers[digits])
        digits = 6;
    out = put_number(out, moment->hours, 2);
    *out++ = ':';
    out = put_two(out, moment->minutes);
    *out++ = ':';
    out = put_two(out, moment->seconds);
    if (digits) {
        *out++ = '.';
        out = put_number(out, microseconds / powers[digits], digits);
    }
    return out;
}

static unsigned char *
put_date(unsigned char *out, const unsigned char *at, Py_ssize_t size, int is_timed, int digits)
{
    Moment moment;
    if (!read_date(at, size, is_timed, &moment))
        return NULL;
    out = put_two(put_two(out, moment.year / 100), moment.year % 100);
    *out++ = '-';
    out = put_two(out, moment.month);
    *out++ = '-';
    out = put_two(out, moment.day);
    if (!is_timed)
        return out;
    *out++ = ' ';
    return put_clock(out, &moment, digits);
}

static unsigned char *
put_time(unsigned char *out, const unsigned char *at, Py_ssize_t size, int digits)
{
    Moment moment;
    if (!read_time(at, size, &moment))
        return NULL;
    if (moment.is_negative)
        *out++ = '-';
    return put_clock(out, &moment, digits);
}

/* Bytes of a value of fixed width; 0 for one whose length stands before it. */
static int
width_of(unsigned char wire)
{
    static const unsigned char widths[WIRES] = {
        [INT1] = 1, [UINT1] = 1, [INT2] = 2, [UINT2] = 2, [INT4] = 4, [UINT4] = 4, [INT8] = 8,
        [UINT8] = 8, [FLOAT] = 4, [DOUBLE] = 8,
    };
    return widths[wire];
}

/* What a value that is printed becomes at most: digits and a sign, or the longest time. */
static Py_ssize_t
most_printed(Column column)
{
    return column.wire == BYTES ? 0 : column.digits > 30 ? column.digits + 1 : 32;
}

/* What a row becomes at most beside twice its bytes: twice each value, since digits may be asked for
 * of its bytes, a prefix of three and a tab. */
static Py_ssize_t
most_bytes(const Column *columns, Py_ssize_t count)
{
    Py_ssize_t total = 1;
    for (Py_ssize_t i = 0; i < count; i++)
        total += 2 * most_printed(columns[i]) + 4;
    return total;
}

/* Where a value that is no bytes lies, and its size, and `*at` moved past it; NULL if it ends past
 * the row. */
static const unsigned char *
take_value(const unsigned char **at, const unsigned char *end, unsigned char wire, Py_ssize_t *size)
{
    const unsigned char *value = *at;
    *size = width_of(wire);
    if (!*size) {
        if (value == end)
            return NULL;
        *size = *value++;
    }
    if (end - value < *size)
        return NULL;
    *at = value + *size;
    return value;
}

static double
read_float(const unsigned char *value, unsigned char wire)
{
    if (wire == DOUBLE) {
        uint64_t bits = little_endian(value, 8);
        double number;
        memcpy(&number, &bits, sizeof number);
        return number;
    }
    uint32_t bits = word(value);
    float number;
    memcpy(&number, &bits, sizeof number);
    return (double)number;
}

/* Whether it is below zero; its bits, without those past its size, are in `bits`. */
static int
read_integer(const unsigned char *value, Py_ssize_t size, unsigned char wire, uint64_t *bits)
{
    int is_signed = wire == INT1 || wire == INT2 || wire == INT4 || wire == INT8;
    *bits = little_endian(value, (int)size);
    return is_signed && *bits >> (8 * size - 1);
}

/* What a tuple has at most beside its bytes: the number of fields, and for each what is beside its
 * text, and the text of a value that is printed. */
static Py_ssize_t
most_beside(const Column *columns, Py_ssize_t count)
{
    Py_ssize_t total = 2;
    for (Py_ssize_t i = 0; i < count; i++)
        total += MOST_BESIDE + most_printed(columns[i]);
    return total;
}

/* The text of a value that is no bytes, as the server would print it; NULL if it is none. */
static unsigned char *
put_value(unsigned char *out, Column column, const unsigned char *value, Py_ssize_t size)
{
    uint64_t bits;
    switch (column.wire) {
    case DATE_ONLY:
    case DATETIME:
        return put_date(out, value, size, column.wire == DATETIME, column.digits);
    case TIME:
        return put_time(out, value, size, column.digits);
    case FLOAT:
    case DOUBLE:
        return put_double(out, read_float(value, column.wire));
    }
    if (read_integer(value, size, column.wire, &bits)) {
        *out++ = '-';
        bits = (size < 8 ? (uint64_t)1 << (8 * size) : 0) - bits;
    }
    return put_number(out, bits, column.digits);
}

/* Microseconds of a time; -1 if it has minutes or seconds that PostgreSQL refuses. */
static int64_t
count_microseconds(const Moment *moment)
{
    if (moment->minutes > 59 || moment->seconds > 59)
        return -1;
    int64_t seconds = (int64_t)moment->hours * 3600 + moment->minutes * 60 + moment->seconds;
    return seconds * 1000000 + moment->microseconds;
}

/* A date, or a time of day with it, as PostgreSQL has it; NULL if it is none there. */
static unsigned char *
put_date_field(unsigned char *out, Column column, unsigned char kind, const unsigned char *value,
               Py_ssize_t size, uint64_t *hash)
{
    Moment moment;
    int64_t days, time;
    if (!read_date(value, size, column.wire == DATETIME, &moment))
        return NULL;
    if (column.mode == DATE && (!moment.year || !moment.month || !moment.day))
        return put_null(out, hash);
    if (!find_day(moment.year, moment.month, moment.day, &days))
        return NULL;
    if (column.wire == DATE_ONLY)
        return kind == PG_DATE ? put_day(out, days, hash) : NULL;
    time = count_microseconds(&moment);
    if (kind != PG_TIMESTAMP || time < 0 || moment.hours > 23)
        return NULL;
    return put_moment(out, days * DAY_MICROSECONDS + time, hash);
}

static unsigned char *
put_time_field(unsigned char *out, const unsigned char *value, Py_ssize_t size, uint64_t *hash)
{
    Moment moment;
    int64_t time = read_time(value, size, &moment) ? count_microseconds(&moment) : -1;
    return time < 0 ? NULL : put_interval(out, moment.is_negative ? -time : time, hash);
}

/* The field of a value that was printed, which is known to be one, from how it was sent where its
 * type in PostgreSQL is of the same kind; NULL if it has none known here. */
static unsigned char *
put_value_field(unsigned char *out, Column column, unsigned char kind, const unsigned char *value,
                Py_ssize_t size, const unsigned char *printed, const unsigned char *stop,
                uint64_t *hash)
{
    uint64_t bits;
    double number;
    if (has_digits(column.mode))
        return NULL;
    switch (kind) {
    case PG_INT2:
    case PG_INT4:
    case PG_INT8:
        if (column.wire < INT1 || column.wire > UINT8)
            return NULL;
        if (read_integer(value, size, column.wire, &bits))
            bits |= size < 8 ? UINT64_MAX << (8 * size) : 0;
        else if (bits > INT64_MAX)
            return NULL;
        return put_integer(out, (int64_t)bits, kind, hash);
    case PG_FLOAT4:
    case PG_FLOAT8:
        if (column.wire != FLOAT && column.wire != DOUBLE)
            return NULL;
        number = read_float(value, column.wire);
        return put_float(out, column.mode == REAL && number == 0 ? 0 : number, kind, hash);
    case PG_DATE:
    case PG_TIMESTAMP:
        if (column.wire != DATE_ONLY && column.wire != DATETIME)
            return NULL;
        return put_date_field(out, column, kind, value, size, hash);
    case PG_INTERVAL:
        return column.wire == TIME ? put_time_field(out, value, size, hash) : NULL;
    }
    if (column.mode == DATE && is_zero_date(printed, stop - printed))
        return put_null(out, hash);
    return put_text(out, printed, stop, kind, hash);
}

/* A value's length, and `*at` moved past it; 0 if it is not there, or too much for the row. */
static int
take_length(const unsigned char **at, const unsigned char *end, Py_ssize_t *length)
{
    if (*at == end)
        return 0;
    unsigned char first = *(*at)++;
    uint64_t size = first;
    if (first > 250) {
        int width = first == 252 ? 2 : first == 253 ? 3 : first == 254 ? 8 : 0;
        if (!width || end - *at < width)
            return 0;
        size = little_endian(*at, width);
        *at += width;
    }
    *length = (Py_ssize_t)size;
    return size <= (uint64_t)(end - *at);
}

/* A geometry without the number of its reference system, which MySQL puts before it. */
static void
leave_srid(const unsigned char **value, Py_ssize_t *length)
{
    Py_ssize_t srid = *length < SRID_BYTES ? *length : SRID_BYTES;
    *value += srid;
    *length -= srid;
}

/* A value of bytes, in its column's mode. */
static unsigned char *
render_bytes(Pass *pass, unsigned char *out, const unsigned char *value, Py_ssize_t length,
             Column column, Py_ssize_t i, int for_copy)
{
    unsigned long long nuls = 0; /* there are hardly ever any */
    switch (column.mode) {
    case TEXT:
        out = escape(out, value, length, for_copy, &nuls);
        if (nuls && !for_copy) {
            pass->nul_characters[i] += nuls;
            pass->is_altered = 1;
        }
        return out;
    case DATE:
        if (is_zero_date(value, length)) {
            if (for_copy) {
                memcpy(out, "\\N", 2);
                return out + 2;
            }
            pass->zero_dates[i]++;
            pass->is_altered = 1;
        }
        /* fall through */
    case PLAIN:
    case REAL:
        return put_bytes(out, value, (size_t)length);
    case GEOMETRY:
        if (for_copy)
            leave_srid(&value, &length);
        /* fall through */
    default: /* BINARY */
        return hexadecimal(out, value, length, for_copy);
    }
}

/* The field of a value of bytes, of which a text may have NUL characters where `has_nuls`; NULL if it
 * has none known here. */
static unsigned char *
put_bytes_field(unsigned char *out, const unsigned char *value, Py_ssize_t length, Column column,
                unsigned char kind, int has_nuls, uint64_t *hash)
{
    if (column.mode == GEOMETRY)
        leave_srid(&value, &length);
    if (has_digits(column.mode))
        return kind != PG_BYTEA ? NULL : put_plain(out, value, (size_t)length, hash);
    if (column.mode == DATE && is_zero_date(value, length))
        return put_null(out, hash);
    const unsigned char *nul =
        has_nuls && column.mode == TEXT ? memchr(value, 0, (size_t)length) : NULL;
    if (!nul)
        return put_text(out, value, value + length, kind, hash);
    if (kind != PG_TEXT || length > INT32_MAX)
        return NULL;
    unsigned char *start = out + 4;
    out = put_bytes(start, value, (size_t)(nul - value));
    for (; nul < value + length; nul++)
        if (*nul)
            *out++ = *nul;
    put32(start - 4, (uint32_t)(out - start));
    *hash = hash_bytes(start, (size_t)(out - start));
    return out;
}

/* A value that was printed at `out`, in its column's mode; nothing in it needs an escape. */
static unsigned char *
render_printed(Pass *pass, unsigned char *out, unsigned char *stop, Column column, Py_ssize_t i,
               int for_copy)
{
    unsigned char printed[MOST_DIGITS + 1];
    Py_ssize_t length = stop - out;
    if (column.mode < DATE || column.mode == REAL ||
        (column.mode == DATE && !is_zero_date(out, length)))
        return stop;
    memcpy(printed, out, (size_t)length);
    return render_bytes(pass, out, printed, length, column, i, for_copy);
}

/* The line of one row, and its tuple where there are any; 0 if its bytes are no row of these columns. */
static int
render_row(Pass *pass, const unsigned char *at, const unsigned char *end, const Column *columns,
           Py_ssize_t count, int for_copy)
{
    unsigned char *out = pass->text.start + pass->text.written;
    unsigned char *tuple = pass->kinds ? pass->tuples.start + pass->tuples.written : NULL;
    uint64_t row = 0, hash;
    const unsigned char *nulls = at + 1;
    Py_ssize_t null_bytes = (count + NULL_BITS_OFFSET + 7) / 8;
    if (end - at < 1 + null_bytes || *at)
        return 0;
    at += 1 + null_bytes;
    if (tuple)
        tuple = put16(tuple, (uint16_t)count);
    for (Py_ssize_t i = 0; i < count; i++) {
        Py_ssize_t bit = i + NULL_BITS_OFFSET, length;
        if (i)
            *out++ = '\t';
        if (nulls[bit / 8] >> (bit % 8) & 1) {
            memcpy(out, "\\N", 2);
            out += 2;
            if (tuple)
                tuple = put_null(tuple, &hash);
        } else if (columns[i].wire == BYTES) {
            if (!take_length(&at, end, &length))
                return 0;
            if (is_negative_zero(columns[i].mode, at, length)) {
                pass->zero_dates[i] += !for_copy;
                at++;
                length--;
            }
            out = render_bytes(pass, out, at, length, columns[i], i, for_copy);
            if (tuple)
                tuple = put_bytes_field(tuple, at, length, columns[i], pass->kinds[i],
                                        pass->nul_characters[i] != 0, &hash);
            at += length;
        } else {
            const unsigned char *value = take_value(&at, end, columns[i].wire, &length);
            unsigned char *stop = value ? put_value(out, columns[i], value, length) : NULL;
            if (!stop)
                return 0;
            if (is_negative_zero(columns[i].mode, out, stop - out)) {
                pass->zero_dates[i] += !for_copy;
                *out = '0';
                stop--;
            }
            if (tuple)
                tuple = put_value_field(tuple, columns[i], pass->kinds[i], value, length, out, stop,
                                        &hash);
            out = render_printed(pass, out, stop, columns[i], i, for_copy);
        }
        if (tuple)
            row = row * 31 + hash;
        else if (pass->kinds) { /* this row has no tuple, so the block has none */
            pass->kinds = NULL;
            pass->high = pass->low = 0;
        }
    }
    if (at != end)
        return 0;
    *out++ = '\n';
    pass->text.written = out - pass->text.start;
    if (tuple) {
        pass->tuples.written = tuple - pass->tuples.start;
        pass->high += (int32_t)(row >> 32);
        pass->low += (uint32_t)row;
    }
    pass->rows++;
    return 1;
}

/* Length of the packet whose header is at `at`. */
static Py_ssize_t
packet_length(const unsigned char *at)
{
    return at[0] | (Py_ssize_t)at[1] << 8 | (Py_ssize_t)at[2] << 16;
}

/* A payload sent in several packets, joined in a buffer of the caller's; -1 while some of it is
 * missing. `*next` is where the following packet begins. The buffer is as large as the block. */
static Py_ssize_t
join_packets(const unsigned char *block, Py_ssize_t size, Py_ssize_t position,
             unsigned char *joined, Py_ssize_t *next)
{
    Py_ssize_t total = 0;
    for (;;) {
        if (size - position < 4)
            return -1;
        Py_ssize_t length = packet_length(block + position);
        if (length > size - position - 4)
            return -1;
        memcpy(joined + total, block + position + 4, (size_t)length);
        total += length;
        position += 4 + length;
        if (length < FULL_PACKET) {
            *next = position;
            return total;
        }
    }
}

/* Render rows from `pass->consumed` on, until they end or have no room. */
static void
render_block(Pass *pass, const unsigned char *block, Py_ssize_t size, unsigned char *joined,
             const Column *columns, Py_ssize_t count, int for_copy)
{
    Py_ssize_t position = pass->consumed;
    Py_ssize_t beside = most_bytes(columns, count), tuple_beside = most_beside(columns, count);
    pass->status = MORE;
    while (size - position >= 4) {
        Py_ssize_t length = packet_length(block + position);
        if (length > size - position - 4)
            break;
        const unsigned char *start = block + position + 4;
        Py_ssize_t next = position + 4 + length;
        if (length == FULL_PACKET) {
            length = join_packets(block, size, position, joined, &next);
            if (length < 0)
                break;
            start = joined;
        }
        if (length && length < 9 && start[0] == 0xFE) {
            pass->status = END;
            position = next;
            break;
        }
        if (length && start[0] == 0xFF) {
            pass->status = SERVER_ERROR;
            pass->error = start;
            pass->error_size = length;
            break;
        }
        if (room_of(&pass->text) < 2 * length + beside ||
            (pass->kinds && room_of(&pass->tuples) < length + tuple_beside)) {
            pass->status = FULL;
            break;
        }
        if (!render_row(pass, start, start + length, columns, count, for_copy)) {
            pass->status = MALFORMED;
            break;
        }
        position = next;
    }
    pass->consumed = position;
}

/* More room for at least `least` bytes, if there is less; 0 without memory. */
static int
make_room(Output *output, Py_ssize_t least)
{
    if (output->object && room_of(output) >= least)
        return 1;
    if (output->room > PY_SSIZE_T_MAX / 4 || least > PY_SSIZE_T_MAX / 4) {
        PyErr_NoMemory();
        return 0;
    }
    output->room = output->room * 2 + least;
    if (!output->object)
        output->object = PyBytes_FromStringAndSize(NULL, output->room);
    else
        _PyBytes_Resize(&output->object, output->room);
    if (!output->object)
        return 0;
    output->start = (unsigned char *)PyBytes_AS_STRING(output->object);
    return 1;
}

/* Render a block; 0 without memory. Lines are given room for twice as many bytes as the block has,
 * tuples for three times as many, which most need, and more whenever that is too little: small
 * numbers and zero dates grow. */
static int
render_all(Pass *pass, const Py_buffer *block, unsigned char *joined, const Column *columns,
           Py_ssize_t count, int for_copy)
{
    Py_ssize_t beside = most_bytes(columns, count), tuple_beside = most_beside(columns, count);
    if (block->len > PY_SSIZE_T_MAX / 8) {
        PyErr_NoMemory();
        return 0;
    }
    if (pass->kinds && !make_room(&pass->tuples, block->len * 3 + tuple_beside))
        return 0;
    do {
        if (!make_room(&pass->text, block->len * 2 + beside))
            return 0;
        if (pass->kinds && !make_room(&pass->tuples, block->len + tuple_beside))
            return 0;
        Py_BEGIN_ALLOW_THREADS
        render_block(pass, block->buf, block->len, joined, columns, count, for_copy);
        Py_END_ALLOW_THREADS
    } while (pass->status == FULL);
    if (pass->tuples.object)
        _PyBytes_Resize(&pass->tuples.object, pass->kinds ? pass->tuples.written : 0);
    _PyBytes_Resize(&pass->text.object, pass->text.written);
    return pass->text.object && (!pass->kinds || pass->tuples.object);
}

/* ((column, kind, count), ...) of what a target cannot hold; kind 0: zero dates, 1: NULs, 2: negative
 * zeros. */
static PyObject *
altered_counts(const Pass *pass, const Column *columns, Py_ssize_t size)
{
    PyObject *counts = PyList_New(0);
    for (Py_ssize_t i = 0; counts && i < 2 * size; i++) {
        int kind = i >= size ? 1 : columns[i].mode == REAL ? 2 : 0;
        unsigned long long count = i >= size ? pass->nul_characters[i - size] : pass->zero_dates[i];
        if (!count)
            continue;
        PyObject *entry = Py_BuildValue("(niK)", i % size, kind, count);
        if (!entry || PyList_Append(counts, entry) < 0)
            Py_CLEAR(counts);
        Py_XDECREF(entry);
    }
    return counts;
}

PyDoc_STRVAR(render_doc,
"render(block, columns, with_copy, kinds)\n"
"    -> (text, copy_text, tuples, high, low, rows, consumed, status, error, altered)\n"
"\n"
"columns: three bytes for each, mode, wire and digits. kinds: None, or a byte for each column.\n"
"text: lossless lines. copy_text: lines for COPY, None where they are the same or where with_copy\n"
"is false. tuples: those of binary COPY without the header and the trailer of the format, None\n"
"without kinds, and where a value has no form that is known here. high, low: the sums of the upper\n"
"32 bits, signed, and of the lower ones of the rows' hashes. status: 0 more rows may follow, 1 the\n"
"result ended, 2 the server sent the error packet `error`, 3 the bytes are no rows. error: None but\n"
"for status 2. altered: a list of (column, kind, count), kind 0 for zero dates, 1 for NULs, 2 for\n"
"negative zeros.\n"
"The GIL is released while the block is rendered; block must not change meanwhile.");

static PyObject *
kernel_render(PyObject *Py_UNUSED(module), PyObject *args)
{
    Py_buffer block, packed, kinds = {0};
    PyObject *copy_text = NULL, *counts = NULL, *result = NULL;
    unsigned char *joined = NULL;
    Pass pass = {0};
    int with_copy, has_other_form = 0;

    if (!PyArg_ParseTuple(args, "y*y*pz*", &block, &packed, &with_copy, &kinds))
        return NULL;
    const Column *columns = packed.buf;
    Py_ssize_t count = packed.len / (Py_ssize_t)sizeof *columns;
    if (packed.len % (Py_ssize_t)sizeof *columns) {
        PyErr_SetString(PyExc_ValueError, "a column has three bytes");
        goto done;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        if (columns[i].mode >= MODES || columns[i].wire >= WIRES) {
            PyErr_SetString(PyExc_ValueError, "unknown mode or wire");
            goto done;
        }
        has_other_form |= has_digits(columns[i].mode);
    }
    pass.kinds = kinds.buf;
    if (pass.kinds && (kinds.len != count || count > MOST_COLUMNS)) {
        PyErr_SetString(PyExc_ValueError, "a kind for each column, of which a table has 1600 at most");
        goto done;
    }
    for (Py_ssize_t i = 0; i < kinds.len; i++)
        if (pass.kinds[i] >= KINDS) {
            PyErr_SetString(PyExc_ValueError, "unknown kind");
            goto done;
        }
    pass.zero_dates = PyMem_Calloc((size_t)count * 2 + 1, sizeof *pass.zero_dates);
    /* Only a block that can hold a full packet needs room to join packets in. */
    if (block.len >= FULL_PACKET)
        joined = PyMem_Malloc((size_t)block.len);
    if (!pass.zero_dates || (block.len >= FULL_PACKET && !joined)) {
        PyErr_NoMemory();
        goto done;
    }
    pass.nul_characters = pass.zero_dates + count;
    if (!render_all(&pass, &block, joined, columns, count, 0))
        goto done;
    if (with_copy && (pass.is_altered || has_other_form)) {
        Pass again = {.zero_dates = pass.zero_dates, .nul_characters = pass.nul_characters};
        int is_done = render_all(&again, &block, joined, columns, count, 1);
        copy_text = again.text.object;
        if (!is_done)
            goto done;
    }
    counts = altered_counts(&pass, columns, count);
    if (!counts)
        goto done;
    result = Py_BuildValue("(OOOLLnniy#O)", pass.text.object, copy_text ? copy_text : Py_None,
                           pass.kinds ? pass.tuples.object : Py_None, (long long)pass.high,
                           (long long)pass.low, pass.rows, pass.consumed, (int)pass.status,
                           (const char *)pass.error, pass.error_size, counts);
done:
    Py_XDECREF(pass.text.object);
    Py_XDECREF(pass.tuples.object);
    Py_XDECREF(copy_text);
    Py_XDECREF(counts);
    PyMem_Free(pass.zero_dates);
    PyMem_Free(joined);
    PyBuffer_Release(&block);
    PyBuffer_Release(&packed);
    PyBuffer_Release(&kinds);
    return result;
}

static PyMethodDef methods[] = {
    {"render", kernel_render, METH_VARARGS, render_doc},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "etl_pipeline.transfer._kernel",
    .m_doc = "Row packets to lines and tuples, compiled.",
    .m_size = 0,
    .m_methods = methods,
};

PyMODINIT_FUNC
PyInit__kernel(void)
{
    return PyModule_Create(&module);
}

/* Row text for COPY becomes the tuples of PostgreSQL's binary COPY.
 *
 * PostgreSQL spends a third less time on a row that it need not parse. What is written here is
 * what its own input functions would make of the text, for the forms in which MySQL prints values.
 * A line that holds anything else is no error: nothing is converted, and the text is sent.
 *
 * A tuple: the number of fields in two bytes, then for each field its length in four (-1 for NULL)
 * and its bytes, all big-endian (PostgreSQL's documentation of COPY, "Binary Format"). The bytes
 * are those of the types' receive functions.
 *
 * Beside the tuples goes the sum of what PostgreSQL's hash_record_extended(row, 0) makes of the rows
 * (doubles as float8send gives them): hashing here costs a fifth of what it costs there. Its own
 * hashes of values are those of Bob Jenkins' lookup3; rows and numbers are put together as in
 * rowtypes.c and numeric.c. Another release may do otherwise, so who uses the sum asks PostgreSQL
 * for a part of it.
 *
 * The output's size is bounded by the input's. The largest is a line of one digit: two bytes, of
 * which a numeric makes 16 (two for the line, four of length, eight of header, two of digits). An
 * interval's 22 bytes come of nine at least, and an empty text's six of one.
 */
#define _GNU_SOURCE /* strtod_l */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <locale.h>
#ifdef __APPLE__
#include <xlocale.h>
#endif
#include <limits.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum kind { TEXT = 0, INT2, INT4, INT8, FLOAT8, NUMERIC, DATE, TIMESTAMP, INTERVAL, BYTEA, BOOLEAN,
            KINDS };

#define BYTES_PER_INPUT_BYTE 8
#define MAX_COLUMNS 1600
#define DAY_MICROSECONDS 86400000000LL
#define EPOCH_DAYS 730425 /* of 2000-01-01, where days are counted as in days_of() */

static locale_t plain_locale; /* "C"; never freed, since modules are not unloaded */

typedef struct {
    const unsigned char *at, *end;
} Field;

static unsigned char *
put16(unsigned char *out, uint16_t value)
{
    *out++ = (unsigned char)(value >> 8);
    *out++ = (unsigned char)value;
    return out;
}

static unsigned char *
put32(unsigned char *out, uint32_t value)
{
    return put16(put16(out, (uint16_t)(value >> 16)), (uint16_t)value);
}

static unsigned char *
put64(unsigned char *out, uint64_t value)
{
    return put32(put32(out, (uint32_t)(value >> 32)), (uint32_t)value);
}

/* lookup3 of bytes, as a little-endian machine reads them, in 64 bits. */
#define ROTATE(x, k) ((x) << (k) | (x) >> (32 - (k)))
#define HASH_START 0x9e3779b9U + 3923095U

static uint64_t
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

static uint32_t
word(const unsigned char *at)
{
    return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
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
    memcpy(rest, at, size < 8 ? size : 8);
    if (size > 8)
        memcpy(rest + 9, at + 8, size - 8);
    return hash_end(a + word(rest), b + word(rest + 4), c + word(rest + 8));
}

static uint64_t
hash_int32(int32_t value)
{
    return hash_end(HASH_START + 4 + (uint32_t)value, HASH_START + 4, HASH_START + 4);
}

/* A value that fits into 32 bits has the same hash as there. */
static uint64_t
hash_int64(int64_t value)
{
    uint32_t high = (uint32_t)((uint64_t)value >> 32);
    return hash_int32((int32_t)((uint32_t)value ^ (value >= 0 ? high : ~high)));
}

static int
is_digit(unsigned char byte)
{
    return byte >= '0' && byte <= '9';
}

/* A whole number that fills the field and lies between the limits; 0 if there is none. */
static int
read_integer(Field field, int64_t least, int64_t most, int64_t *value)
{
    int negative = 0;
    uint64_t total = 0;
    if (field.at < field.end && *field.at == '-') {
        negative = 1;
        field.at++;
    }
    if (field.at == field.end || field.end - field.at > 19) /* 19 nines are less than 2**64 */
        return 0;
    for (; field.at < field.end; field.at++) {
        if (!is_digit(*field.at))
            return 0;
        total = total * 10 + (uint64_t)(*field.at - '0');
    }
    if (total > (uint64_t)INT64_MAX + (uint64_t)negative)
        return 0;
    *value = negative ? (total ? -(int64_t)(total - 1) - 1 : 0) : (int64_t)total;
    return *value >= least && *value <= most;
}

/* `count` digits at the start of the field; -1 if they are not there. */
static int
take_digits(Field *field, int count)
{
    int value = 0;
    if (field->end - field->at < count)
        return -1;
    for (; count; count--, field->at++) {
        if (!is_digit(*field->at))
            return -1;
        value = value * 10 + (*field->at - '0');
    }
    return value;
}

static int
take(Field *field, unsigned char expected)
{
    if (field->at == field->end || *field->at != expected)
        return 0;
    field->at++;
    return 1;
}

/* Days since the first of March of year 0, in the Gregorian calendar. */
static int64_t
days_of(int year, int month, int day)
{
    int64_t y = month > 2 ? year : year - 1;
    int64_t m = month > 2 ? month - 3 : month + 9;
    return y * 365 + y / 4 - y / 100 + y / 400 + (m * 153 + 2) / 5 + day - 1;
}

/* "YYYY-MM-DD" as days since 2000-01-01; a day that is not in the calendar is refused. */
static int
take_date(Field *field, int64_t *days)
{
    static const int lengths[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int year = take_digits(field, 4);
    int month = take(field, '-') ? take_digits(field, 2) : -1;
    int day = take(field, '-') ? take_digits(field, 2) : -1;
    if (year < 1 || month < 1 || month > 12 || day < 1 || day > lengths[month - 1])
        return 0;
    if (month == 2 && day == 29 && (year % 4 || (year % 100 == 0 && year % 400)))
        return 0;
    *days = days_of(year, month, day) - EPOCH_DAYS;
    return 1;
}

/* ":MM:SS" and up to six decimals, to the field's end, as microseconds. */
static int
take_minutes(Field *field, int64_t *microseconds)
{
    int minutes = take(field, ':') ? take_digits(field, 2) : -1;
    int seconds = take(field, ':') ? take_digits(field, 2) : -1;
    int64_t fraction = 0;
    if (minutes < 0 || minutes > 59 || seconds < 0 || seconds > 59)
        return 0;
    if (take(field, '.')) {
        int decimals = 0;
        for (; field->at < field->end && is_digit(*field->at); field->at++) {
            if (++decimals > 6)
                return 0;
            fraction = fraction * 10 + (*field->at - '0');
        }
        if (!decimals)
            return 0;
        for (; decimals < 6; decimals++)
            fraction *= 10;
    }
    *microseconds = ((int64_t)minutes * 60 + seconds) * 1000000 + fraction;
    return field->at == field->end;
}

static int
read_timestamp(Field field, int64_t *value)
{
    int64_t days, rest;
    if (!take_date(&field, &days) || !take(&field, ' '))
        return 0;
    int hours = take_digits(&field, 2);
    if (hours < 0 || hours > 23 || !take_minutes(&field, &rest))
        return 0;
    *value = days * DAY_MICROSECONDS + (int64_t)hours * 3600000000LL + rest;
    return 1;
}

/* "[-]HH:MM:SS", of two or three digits of hours. */
static int
read_time(Field field, int64_t *value)
{
    int64_t rest;
    int negative = take(&field, '-');
    int hours = take_digits(&field, 2);
    if (hours >= 0 && field.at < field.end && is_digit(*field.at))
        hours = hours * 10 + (*field.at++ - '0');
    if (hours < 0 || !take_minutes(&field, &rest))
        return 0;
    *value = (int64_t)hours * 3600000000LL + rest;
    if (negative)
        *value = -*value;
    return 1;
}

/* A decimal of up to 15 digits and 22 decimals is one exact division of two exact doubles, so it
 * is rounded once, as the standard wants it (Clinger, "How to read floating point numbers
 * accurately"); 0 for a longer one, or one with an exponent. */
static int
read_short_double(Field field, double *value)
{
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                    1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                    1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    int negative = take(&field, '-');
    int digits = 0, significant = 0, decimals = -1;
    uint64_t total = 0;
    for (; field.at < field.end; field.at++) {
        if (*field.at == '.' && decimals < 0) {
            decimals = 0;
            continue;
        }
        if (!is_digit(*field.at))
            return 0;
        total = total * 10 + (uint64_t)(*field.at - '0');
        digits++;
        significant += total != 0;
        decimals += decimals >= 0;
        if (significant > 15 || decimals > 22)
            return 0;
    }
    if (!digits || decimals == 0)
        return 0;
    *value = (double)total / powers[decimals > 0 ? decimals : 0];
    if (negative)
        *value = -*value;
    return 1;
}

/* Any other as the C library reads it, as PostgreSQL would, whatever the process's locale; 0 if it
 * is no finite number. */
static int
read_double(Field field, double *value)
{
    char number[64], *stop;
    size_t size = (size_t)(field.end - field.at);
    if (read_short_double(field, value))
        return 1;
    if (!size || size >= sizeof number || !plain_locale)
        return 0;
    for (size_t i = 0; i < size; i++) /* no hexadecimal, no space, no "inf" */
        if (!is_digit(field.at[i]) && !memchr("+-.eE", field.at[i], 5))
            return 0;
    memcpy(number, field.at, size);
    number[size] = '\0';
    *value = strtod_l(number, &stop, plain_locale);
    return stop == number + size && isfinite(*value);
}

/* A decimal as PostgreSQL's digits to the base of 10000; NULL if the field is none. */
static unsigned char *
put_numeric(unsigned char *out, Field field, uint64_t *hash)
{
    uint16_t sign = take(&field, '-') ? 0x4000 : 0;
    const unsigned char *whole = field.at;
    while (field.at < field.end && is_digit(*field.at))
        field.at++;
    Py_ssize_t before = field.at - whole;
    const unsigned char *decimals = field.at;
    if (take(&field, '.')) {
        decimals = field.at;
        while (field.at < field.end && is_digit(*field.at))
            field.at++;
        if (field.at == decimals)
            return NULL;
    }
    Py_ssize_t after = field.at - decimals;
    if (!before || field.at != field.end || before > 100 || after > 100)
        return NULL;
    /* The digits aligned at the point, in groups of four. */
    uint16_t groups[52];
    int count = 0, weight = (int)((before + 3) / 4) - 1;
    for (Py_ssize_t start = before - 4 * (weight + 1); start < after + before; start += 4) {
        int group = 0;
        for (Py_ssize_t i = start; i < start + 4; i++) {
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
        sign = 0, weight = 0;
    out = put32(out, (uint32_t)(8 + 2 * (count - first)));
    out = put16(out, (uint16_t)(count - first));
    out = put16(out, (uint16_t)weight);
    out = put16(out, sign);
    out = put16(out, (uint16_t)after);
    unsigned char digits[2 * 52];
    int size = 0;
    for (; first < count; first++, size += 2) {
        out = put16(out, groups[first]);
        digits[size] = (unsigned char)groups[first];
        digits[size + 1] = (unsigned char)(groups[first] >> 8);
    }
    *hash = size ? hash_bytes(digits, (size_t)size) ^ (uint64_t)(int64_t)weight : UINT64_MAX;
    return out;
}

static int
hex_value(unsigned char digit)
{
    return is_digit(digit) ? digit - '0' : digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

/* "\\x" and hexadecimal digits; NULL if the field is something else. */
static unsigned char *
put_bytea(unsigned char *out, Field field, uint64_t *hash)
{
    Py_ssize_t size = field.end - field.at - 3;
    if (size < 0 || size % 2 || size / 2 > INT32_MAX || memcmp(field.at, "\\\\x", 3))
        return NULL;
    out = put32(out, (uint32_t)(size / 2));
    for (field.at += 3; field.at < field.end; field.at += 2) {
        int high = hex_value(field.at[0]), low = hex_value(field.at[1]);
        if (high < 0 || low < 0)
            return NULL;
        *out++ = (unsigned char)(high << 4 | low);
    }
    *hash = hash_bytes(out - size / 2, (size_t)(size / 2));
    return out;
}

/* The text without its escapes; NULL for an escape that row text does not have. */
static unsigned char *
put_text(unsigned char *out, Field field, uint64_t *hash)
{
    unsigned char *start = out;
    out += 4;
    while (field.at < field.end) {
        const unsigned char *next = memchr(field.at, '\\', (size_t)(field.end - field.at));
        Py_ssize_t plain = (next ? next : field.end) - field.at;
        memcpy(out, field.at, (size_t)plain);
        out += plain;
        field.at += plain;
        if (!next)
            break;
        if (field.end - field.at < 2)
            return NULL;
        switch (field.at[1]) {
        case 't': *out++ = '\t'; break;
        case 'n': *out++ = '\n'; break;
        case 'r': *out++ = '\r'; break;
        case '\\': *out++ = '\\'; break;
        default: return NULL;
        }
        field.at += 2;
    }
    if (out - start - 4 > INT32_MAX)
        return NULL;
    put32(start, (uint32_t)(out - start - 4));
    *hash = hash_bytes(start + 4, (size_t)(out - start - 4));
    return out;
}

/* One field with its length, and its hash; NULL if it is no value of the kind. */
static unsigned char *
put_field(unsigned char *out, Field field, unsigned char kind, uint64_t *hash)
{
    int64_t value;
    double number;
    uint64_t bits;
    if (field.end - field.at == 2 && field.at[0] == '\\' && field.at[1] == 'N') {
        *hash = 0;
        return put32(out, 0xFFFFFFFF);
    }
    switch (kind) {
    case INT2:
        if (!read_integer(field, INT16_MIN, INT16_MAX, &value))
            return NULL;
        *hash = hash_int32((int32_t)value);
        return put16(put32(out, 2), (uint16_t)value);
    case INT4:
        if (!read_integer(field, INT32_MIN, INT32_MAX, &value))
            return NULL;
        *hash = hash_int32((int32_t)value);
        return put32(put32(out, 4), (uint32_t)value);
    case INT8:
        if (!read_integer(field, INT64_MIN, INT64_MAX, &value))
            return NULL;
        *hash = hash_int64(value);
        return put64(put32(out, 8), (uint64_t)value);
    case FLOAT8:
        if (!read_double(field, &number))
            return NULL;
        memcpy(&bits, &number, sizeof bits);
        out = put64(put32(out, 8), bits);
        *hash = hash_bytes(out - 8, 8);
        return out;
    case NUMERIC:
        return put_numeric(out, field, hash);
    case DATE:
        if (!take_date(&field, &value) || field.at != field.end)
            return NULL;
        *hash = hash_int32((int32_t)value);
        return put32(put32(out, 4), (uint32_t)value);
    case TIMESTAMP:
        if (!read_timestamp(field, &value))
            return NULL;
        *hash = hash_int64(value);
        return put64(put32(out, 8), (uint64_t)value);
    case INTERVAL: /* no days, no months */
        if (!read_time(field, &value))
            return NULL;
        *hash = hash_int64(value);
        return put64(put64(put32(out, 16), (uint64_t)value), 0);
    case BYTEA:
        return put_bytea(out, field, hash);
    case BOOLEAN:
        if (field.end - field.at != 1 || (*field.at != '0' && *field.at != '1'))
            return NULL;
        *hash = hash_int32(*field.at == '1');
        out = put32(out, 1);
        *out++ = *field.at == '1';
        return out;
    default:
        return put_text(out, field, hash);
    }
}

/* A sum of signed hashes, which does not overflow below 2**31 rows. */
typedef struct {
    int64_t high, low; /* of their upper and lower 32 bits */
} Sum;

/* The tuples of all lines, and where they end; NULL if something in them has no binary form. */
static unsigned char *
put_lines(unsigned char *out, const unsigned char *at, const unsigned char *end,
          const unsigned char *kinds, Py_ssize_t columns, Sum *sum)
{
    while (at < end) {
        const unsigned char *newline = memchr(at, '\n', (size_t)(end - at));
        if (!newline)
            return NULL;
        uint64_t row = 0, hash = 0;
        out = put16(out, (uint16_t)columns);
        for (Py_ssize_t i = 0; i < columns; i++) {
            const unsigned char *stop = newline;
            if (i < columns - 1 && !(stop = memchr(at, '\t', (size_t)(newline - at))))
                return NULL;
            if (!(out = put_field(out, (Field){at, stop}, kinds[i], &hash)))
                return NULL;
            row = row * 31 + hash;
            at = stop + 1;
        }
        sum->high += (int32_t)(row >> 32);
        sum->low += (uint32_t)row;
    }
    return out;
}

PyDoc_STRVAR(encode_doc,
"encode(lines, kinds) -> (bytes, int, int) or None\n"
"\n"
"The tuples of complete lines for COPY, without the header and the trailer of the format; None where\n"
"a value has no binary form that is known here. kinds: a byte for each column.\n"
"The integers are the sums of the upper 32 bits, signed, and of the lower ones of the rows' hashes.\n"
"The GIL is released meanwhile; lines must not change.");

static PyObject *
binary_encode(PyObject *Py_UNUSED(module), PyObject *args)
{
    Py_buffer lines, kinds;
    PyObject *result = NULL;
    if (!PyArg_ParseTuple(args, "y*y*", &lines, &kinds))
        return NULL;
    if (!kinds.len || kinds.len > MAX_COLUMNS) {
        PyErr_SetString(PyExc_ValueError, "a table has between 1 and 1600 columns");
        goto done;
    }
    for (Py_ssize_t i = 0; i < kinds.len; i++)
        if (((const unsigned char *)kinds.buf)[i] >= KINDS) {
            PyErr_SetString(PyExc_ValueError, "unknown kind");
            goto done;
        }
    if (lines.len > PY_SSIZE_T_MAX / BYTES_PER_INPUT_BYTE) {
        PyErr_NoMemory();
        goto done;
    }
    result = PyBytes_FromStringAndSize(NULL, lines.len * BYTES_PER_INPUT_BYTE);
    if (result) {
        unsigned char *start = (unsigned char *)PyBytes_AS_STRING(result), *stop;
        Sum sum = {0, 0};
        Py_BEGIN_ALLOW_THREADS
        stop = put_lines(start, lines.buf, (const unsigned char *)lines.buf + lines.len,
                         kinds.buf, kinds.len, &sum);
        Py_END_ALLOW_THREADS
        if (!stop) {
            Py_DECREF(result);
            result = Py_NewRef(Py_None);
        } else if (!_PyBytes_Resize(&result, stop - start))
            result = Py_BuildValue("(NLL)", result, (long long)sum.high, (long long)sum.low);
    }
done:
    PyBuffer_Release(&lines);
    PyBuffer_Release(&kinds);
    return result;
}

static PyMethodDef methods[] = {
    {"encode", binary_encode, METH_VARARGS, encode_doc},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "etl_pipeline.transfer._binary",
    .m_doc = "Row text to the tuples of binary COPY.",
    .m_size = 0,
    .m_methods = methods,
};

PyMODINIT_FUNC
PyInit__binary(void)
{
    if (!plain_locale)
        plain_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    return PyModule_Create(&module);
}

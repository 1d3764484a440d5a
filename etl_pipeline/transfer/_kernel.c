/* The kernel: a block of MySQL's row packets becomes a block of lines.
 *
 * twin.py is the same function in Python and says what the lines are. Both give the same bytes,
 * counts and errors for every input; a property test and a fuzzer hold them together.
 *
 * The bytes come from the network, so nothing in them is believed: every length is compared with
 * what is left of the row before it is used. The output needs no such check, because its size is
 * bounded by the input's. A byte of a value becomes two at most (an escape, two digits). The one
 * byte of length that each value has becomes a tab and up to three more ("\N", or PostgreSQL's
 * prefix of hexadecimal digits), and a row's four bytes of header become a newline. So four bytes
 * of output for each byte of input are always enough.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <string.h>

enum mode { PLAIN = 0, TEXT = 1, DATE = 2, BINARY = 3, GEOMETRY = 4, MODES };
enum status { MORE = 0, END = 1, SERVER_ERROR = 2, MALFORMED = 3 };

#ifndef FULL_PACKET /* the fuzzer makes it small: then every block holds rows of many packets */
#define FULL_PACKET 0xFFFFFF
#endif
#define OUTPUT_BYTES_PER_INPUT_BYTE 4
#define SRID_BYTES 4

/* What a pass over a block has done so far. */
typedef struct {
    unsigned char *out;
    Py_ssize_t written;
    Py_ssize_t rows;
    Py_ssize_t consumed;
    enum status status;
    const unsigned char *error; /* in the block or in the joined payload; NULL without an error */
    Py_ssize_t error_size;
    int is_altered;
    unsigned long long *zero_dates, *nul_characters;
} Pass;

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

static unsigned char *
escape(unsigned char *out, const unsigned char *value, Py_ssize_t size, int for_copy)
{
    const unsigned char *end = value + size;
    while (value < end) {
        const unsigned char *plain = value;
        while (value < end && !ESCAPE[*value])
            value++;
        memcpy(out, plain, (size_t)(value - plain));
        out += value - plain;
        if (value == end)
            break;
        if (*value || !for_copy) { /* PostgreSQL's text holds no NUL: it is left out there */
            *out++ = '\\';
            *out++ = ESCAPE[*value];
        }
        value++;
    }
    return out;
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

/* The line of one row; 0 if its bytes are no row of `columns` columns. */
static int
render_row(Pass *pass, const unsigned char *at, const unsigned char *end,
           const unsigned char *modes, Py_ssize_t columns, int for_copy)
{
    unsigned char *out = pass->out + pass->written;
    for (Py_ssize_t i = 0; i < columns; i++) {
        unsigned long long size;
        if (i)
            *out++ = '\t';
        if (at == end)
            return 0;
        unsigned char first = *at++;
        if (first == 251) {
            *out++ = '\\';
            *out++ = 'N';
            continue;
        }
        if (first == 255)
            return 0;
        size = first;
        if (first > 251) {
            int width = first == 252 ? 2 : first == 253 ? 3 : 8;
            if (end - at < width)
                return 0;
            size = 0;
            for (int k = 0; k < width; k++)
                size |= (unsigned long long)at[k] << (8 * k);
            at += width;
        }
        if (size > (unsigned long long)(end - at))
            return 0;
        Py_ssize_t length = (Py_ssize_t)size;
        switch (modes[i]) {
        case TEXT:
            if (!for_copy) {
                const unsigned char *nul = at;
                while ((nul = memchr(nul, 0, (size_t)(at + length - nul)))) {
                    pass->nul_characters[i]++;
                    pass->is_altered = 1;
                    nul++;
                }
            }
            out = escape(out, at, length, for_copy);
            break;
        case DATE:
            if (is_zero_date(at, length)) {
                if (for_copy) {
                    *out++ = '\\';
                    *out++ = 'N';
                    break;
                }
                pass->zero_dates[i]++;
                pass->is_altered = 1;
            }
            /* fall through */
        case PLAIN:
            memcpy(out, at, (size_t)length);
            out += length;
            break;
        case GEOMETRY:
            if (for_copy) {
                Py_ssize_t srid = length < SRID_BYTES ? length : SRID_BYTES;
                out = hexadecimal(out, at + srid, length - srid, 1);
                break;
            }
            /* fall through */
        default: /* BINARY */
            out = hexadecimal(out, at, length, for_copy);
        }
        at += length;
    }
    if (at != end)
        return 0;
    *out++ = '\n';
    pass->written = out - pass->out;
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

static void
render_block(Pass *pass, const unsigned char *block, Py_ssize_t size, unsigned char *joined,
             const unsigned char *modes, Py_ssize_t columns, int for_copy)
{
    Py_ssize_t position = 0;
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
        if (!render_row(pass, start, start + length, modes, columns, for_copy)) {
            pass->status = MALFORMED;
            break;
        }
        position = next;
    }
    pass->consumed = position;
}

/* ((column, kind, count), ...) of what PostgreSQL cannot hold; kind 0: zero dates, 1: NULs. */
static PyObject *
altered_counts(const Pass *pass, Py_ssize_t columns)
{
    PyObject *counts = PyList_New(0);
    for (Py_ssize_t i = 0; counts && i < 2 * columns; i++) {
        int kind = i >= columns;
        unsigned long long count =
            kind ? pass->nul_characters[i - columns] : pass->zero_dates[i];
        if (!count)
            continue;
        PyObject *entry = Py_BuildValue("(niK)", kind ? i - columns : i, kind, count);
        if (!entry || PyList_Append(counts, entry) < 0)
            Py_CLEAR(counts);
        Py_XDECREF(entry);
    }
    return counts;
}

PyDoc_STRVAR(render_doc,
"render(block, modes, with_copy) -> (text, copy_text, rows, consumed, status, error, altered)\n"
"\n"
"text: lossless lines. copy_text: lines for COPY, None where they are the same or where with_copy\n"
"is false. status: 0 more rows may follow, 1 the result ended, 2 the server sent the error packet\n"
"`error`, 3 the bytes are no rows. error: None but for status 2. altered: a list of (column, kind,\n"
"count), kind 0 for zero dates, 1 for NUL characters.\n"
"The GIL is released while the block is rendered; block must not change meanwhile.");

static PyObject *
kernel_render(PyObject *Py_UNUSED(module), PyObject *args)
{
    Py_buffer block, modes;
    PyObject *text = NULL, *copy_text = NULL, *counts = NULL, *result = NULL;
    unsigned char *joined = NULL;
    Pass pass = {0};
    int with_copy, has_other_form = 0;

    if (!PyArg_ParseTuple(args, "y*y*p", &block, &modes, &with_copy))
        return NULL;
    for (Py_ssize_t i = 0; i < modes.len; i++) {
        if (((const unsigned char *)modes.buf)[i] >= MODES) {
            PyErr_SetString(PyExc_ValueError, "unknown mode");
            goto done;
        }
        has_other_form |= ((const unsigned char *)modes.buf)[i] >= BINARY;
    }
    if (block.len > PY_SSIZE_T_MAX / OUTPUT_BYTES_PER_INPUT_BYTE) {
        PyErr_NoMemory();
        goto done;
    }
    text = PyBytes_FromStringAndSize(NULL, block.len * OUTPUT_BYTES_PER_INPUT_BYTE);
    pass.zero_dates = PyMem_Calloc((size_t)modes.len * 2 + 1, sizeof *pass.zero_dates);
    /* Only a block that can hold a full packet needs room to join packets in. */
    if (block.len >= FULL_PACKET)
        joined = PyMem_Malloc((size_t)block.len);
    if (!text || !pass.zero_dates || (block.len >= FULL_PACKET && !joined)) {
        PyErr_NoMemory();
        goto done;
    }
    pass.nul_characters = pass.zero_dates + modes.len;
    pass.out = (unsigned char *)PyBytes_AS_STRING(text);
    Py_BEGIN_ALLOW_THREADS
    render_block(&pass, block.buf, block.len, joined, modes.buf, modes.len, 0);
    Py_END_ALLOW_THREADS
    if (_PyBytes_Resize(&text, pass.written) < 0)
        goto done;
    if (with_copy && (pass.is_altered || has_other_form)) {
        Pass again = {.zero_dates = pass.zero_dates, .nul_characters = pass.nul_characters};
        copy_text = PyBytes_FromStringAndSize(NULL, block.len * OUTPUT_BYTES_PER_INPUT_BYTE);
        if (!copy_text)
            goto done;
        again.out = (unsigned char *)PyBytes_AS_STRING(copy_text);
        Py_BEGIN_ALLOW_THREADS
        render_block(&again, block.buf, block.len, joined, modes.buf, modes.len, 1);
        Py_END_ALLOW_THREADS
        if (_PyBytes_Resize(&copy_text, again.written) < 0)
            goto done;
    }
    counts = altered_counts(&pass, modes.len);
    if (!counts)
        goto done;
    result = Py_BuildValue("(OOnniy#O)", text, copy_text ? copy_text : Py_None, pass.rows,
                           pass.consumed, (int)pass.status,
                           (const char *)pass.error, pass.error_size, counts);
done:
    Py_XDECREF(text);
    Py_XDECREF(copy_text);
    Py_XDECREF(counts);
    PyMem_Free(pass.zero_dates);
    PyMem_Free(joined);
    PyBuffer_Release(&block);
    PyBuffer_Release(&modes);
    return result;
}

static PyMethodDef methods[] = {
    {"render", kernel_render, METH_VARARGS, render_doc},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "etl_pipeline.transfer._kernel",
    .m_doc = "Row packets to lines, compiled.",
    .m_size = 0,
    .m_methods = methods,
};

PyMODINIT_FUNC
PyInit__kernel(void)
{
    return PyModule_Create(&module);
}

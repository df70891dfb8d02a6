/* The Python module zarr_flac._native: checks arguments, lets go of the GIL, calls the C core.
   Limited API of CPython 3.12, so one build serves all later versions. Everything that can be done
   in Python is done there; nothing here is public. */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030c0000
#include <Python.h>

#include <stdlib.h>
#include <string.h>

#include "zarr_flac.h"
#include "python/module_predicted.h"

/* Numbers of vf_stream in the order in which Python passes them. */
#define STREAM_FORMAT "nIIIIKKppI"

static int check_stream(const vf_stream *stream, Py_ssize_t first_frame)
{
    if (first_frame < 0 || (size_t)first_frame > stream->size || stream->size >> 60 ||
        stream->channels < 1 || stream->channels > VF_MAX_CHANNELS || stream->depth < 4 ||
        stream->depth > 32 || stream->max_block_size < 1 || stream->max_block_size > 65536) {
        PyErr_SetString(PyExc_ValueError, "impossible facts about a stream");
        return 0;
    }
    return 1;
}

/* (status, its name, frame, position, byte) */
static PyObject *report(vf_status status, const vf_cursor *cursor)
{
    if (status == VF_NO_MEMORY)
        return PyErr_NoMemory();
    return Py_BuildValue("(isKKK)", (int)status, vf_status_name(status),
                         (unsigned long long)cursor->frame, (unsigned long long)cursor->position,
                         (unsigned long long)cursor->byte);
}

/* Check that every pixel the sink may be asked to write lies within the caller's buffer. */
static int fits(const vf_sink *sink, const vf_stream *stream, const Py_buffer *out,
                const Py_ssize_t *offsets)
{
    if (stream->total == 0 || stream->total == VF_ALL || stream->total >> 58 || sink->width == 0 ||
        sink->width >> 58 ||
        (sink->item_size != 1 && sink->item_size != 2 && sink->item_size != 4))
        return 0;
    uint64_t last_row = (stream->total - 1) / sink->width;
    uint64_t row_bytes = (last_row ? sink->width : stream->total) * sink->item_size;
    uint64_t stride = (uint64_t)sink->row_stride, room = (uint64_t)out->len;
    if (sink->row_stride < 0 || (last_row && stride > room / last_row))
        return 0;
    for (unsigned channel = 0; channel < stream->channels; channel++) {
        if (offsets[channel] < 0)
            continue; /* not wanted */
        uint64_t start = (uint64_t)offsets[channel];
        if (start > room || row_bytes > room - start || last_row * stride > room - start - row_bytes)
            return 0;
    }
    return 1;
}

static PyObject *decode(PyObject *self, PyObject *args)
{
    (void)self;
    Py_buffer in, out;
    PyObject *planes;
    Py_ssize_t first_frame, row_stride, offsets[VF_MAX_CHANNELS];
    unsigned long long total, first_number, width;
    int must_end, sizes_vary, sum_up;
    vf_stream stream = {0};
    vf_sink sink = {0};
    if (!PyArg_ParseTuple(args, "y*(" STREAM_FORMAT ")w*O!KnIIp", &in, &first_frame,
                          &stream.min_block_size, &stream.max_block_size, &stream.channels,
                          &stream.depth, &total, &first_number, &must_end,
                          &sizes_vary, &stream.most_lanes, &out, &PyTuple_Type, &planes, &width,
                          &row_stride, &sink.item_size, &sink.offset, &sum_up))
        return NULL;
    PyObject *result = NULL;
    stream.data = in.buf;
    stream.size = (size_t)in.len;
    stream.first_frame = (size_t)first_frame;
    stream.total = total;
    stream.first_number = first_number;
    stream.sum_up = sum_up;
    stream.must_end = must_end;
    stream.sizes_vary = sizes_vary;
    sink.width = width;
    sink.row_stride = row_stride;
    if (!check_stream(&stream, first_frame))
        goto done;
    if (PyTuple_Size(planes) != (Py_ssize_t)stream.channels) {
        PyErr_SetString(PyExc_ValueError, "one place for each channel, please");
        goto done;
    }
    for (unsigned channel = 0; channel < stream.channels; channel++) {
        offsets[channel] = PyLong_AsSsize_t(PyTuple_GetItem(planes, (Py_ssize_t)channel));
        if (offsets[channel] == -1 && PyErr_Occurred())
            goto done;
        if (offsets[channel] >= 0)
            sink.planes[channel] = (uint8_t *)out.buf + offsets[channel];
    }
    if (!fits(&sink, &stream, &out, offsets)) {
        PyErr_SetString(PyExc_ValueError, "the samples do not fit the array");
        goto done;
    }
    vf_cursor cursor;
    vf_status status;
    Py_BEGIN_ALLOW_THREADS
    status = vf_decode_stream(&stream, &sink, &cursor);
    Py_END_ALLOW_THREADS
    PyObject *said = report(status, &cursor);
    if (said)
        result = Py_BuildValue("(NI)", said, cursor.crc32);
done:
    PyBuffer_Release(&in);
    PyBuffer_Release(&out);
    return result;
}

/* Fill in a source from an array of shape (plane, row, column), whatever its strides. False, with an error
   set, when no stream can hold it. */
static int open_source(const Py_buffer *in, vf_source *source, uint64_t *total, unsigned *channels)
{
    const Py_ssize_t size = in->itemsize;
    const int sizes_fit = size == 1 || size == 2 || size == 4 || size == 8;
    if (in->ndim == 3 && sizes_fit && in->shape[0] > 0 && in->shape[1] > 0 && in->shape[2] > 0 &&
        in->shape[0] <= VF_MAX_CHANNELS && (uint64_t)in->shape[1] <= VF_MOST_TOTAL &&
        (uint64_t)in->shape[2] <= VF_MOST_TOTAL / (uint64_t)in->shape[1]) {
        source->pixels = in->buf;
        source->item_size = (unsigned)size;
        source->width = (uint64_t)in->shape[2];
        source->plane_stride = in->strides[0];
        source->row_stride = in->strides[1];
        source->pixel_stride = in->strides[2];
        *total = (uint64_t)in->shape[1] * source->width;
        *channels = (unsigned)in->shape[0] * vf_source_channels(source);
        const bool all_bits = source->item_size == 8 || source->number == VF_FLOAT;
        const unsigned own = size < 4 ? 8 * (unsigned)size : 32;
        if (*channels <= VF_MAX_CHANNELS && source->depth >= 4 && source->depth <= own &&
            (!all_bits || source->depth == own) && (source->number != VF_FLOAT || size > 1)) {
            /* Rows without a gap between them are one. */
            if (source->row_stride == source->pixel_stride * (Py_ssize_t)source->width)
                source->width = *total;
            return 1;
        }
    }
    PyErr_SetString(PyExc_ValueError, "an array that is none of samples");
    return 0;
}

static PyObject *encode(PyObject *self, PyObject *args)
{
    (void)self;
    PyObject *array;
    Py_buffer in;
    unsigned number, effort;
    int swapped, stereo, md5;
    vf_source source = {0};
    vf_framing framing = {0};
    uint64_t total;
    if (!PyArg_ParseTuple(args, "OIpIIIppI", &array, &number, &swapped, &framing.depth,
                          &framing.max_block_size, &effort, &stereo, &md5,
                          &framing.skipped_loops) ||
        PyObject_GetBuffer(array, &in, PyBUF_STRIDES))
        return NULL;
    uint8_t *frames = NULL;
    PyObject *result = NULL;
    source.number = number == 0 ? VF_SIGNED : number == 1 ? VF_UNSIGNED : VF_FLOAT;
    source.swapped = swapped;
    source.depth = framing.depth;
    framing.effort = vf_effort_of(effort);
    framing.effort.stereo = framing.effort.stereo && stereo;
    if (!open_source(&in, &source, &total, &framing.channels))
        goto done;
    if (framing.max_block_size < VF_LEAST_BLOCK || framing.max_block_size > VF_MOST_BLOCK) {
        PyErr_SetString(PyExc_ValueError, "an impossible block size");
        goto done;
    }
    size_t size = vf_stream_room(&framing, total);
    frames = size <= PY_SSIZE_T_MAX ? malloc(size) : NULL;
    if (!frames) {
        PyErr_NoMemory();
        goto done;
    }
    vf_stream_facts facts;
    vf_status status;
    Py_BEGIN_ALLOW_THREADS
    status = vf_encode_stream(&framing, &source, total, md5, frames, &size, &facts);
    Py_END_ALLOW_THREADS
    if (status == VF_NO_MEMORY) {
        PyErr_NoMemory();
        goto done;
    }
    result = Py_BuildValue("(isy#IIIy#)", (int)status, vf_status_name(status),
                           (const char *)frames, status == VF_OK ? (Py_ssize_t)size : 0,
                           facts.block_size, facts.min_frame_size, facts.max_frame_size,
                           (const char *)facts.md5, (Py_ssize_t)sizeof facts.md5);
done:
    free(frames);
    PyBuffer_Release(&in);
    return result;
}

/* A list of frames that grows. */
typedef struct {
    vf_found *items;
    size_t count, room;
} frame_list;

static bool take_frame(void *context, const vf_found *frame)
{
    frame_list *list = context;
    if (list->count == list->room) {
        size_t room = list->room ? 2 * list->room : 64;
        void *items = realloc(list->items, room * sizeof *list->items);
        if (!items)
            return false;
        list->items = items;
        list->room = room;
    }
    list->items[list->count++] = *frame;
    return true;
}

/* The state lives in a bytearray of Python's, which makes one by scan_state() and passes it from call to
   call, together with the bytes from number `base` on. */
static PyObject *scan_state(PyObject *self, PyObject *args)
{
    (void)self;
    unsigned long long first_byte;
    vf_scan scan = {0};
    if (!PyArg_ParseTuple(args, "K", &first_byte))
        return NULL;
    scan.base = scan.byte = first_byte;
    return PyByteArray_FromStringAndSize((const char *)&scan, sizeof scan);
}

static PyObject *scan(PyObject *self, PyObject *args)
{
    (void)self;
    Py_buffer in, state;
    Py_ssize_t first_frame;
    unsigned long long total, first_number;
    int must_end, sizes_vary, last;
    vf_stream stream = {0};
    vf_scan scan;
    if (!PyArg_ParseTuple(args, "y*(" STREAM_FORMAT ")w*p", &in, &first_frame,
                          &stream.min_block_size, &stream.max_block_size, &stream.channels,
                          &stream.depth, &total, &first_number, &must_end,
                          &sizes_vary, &stream.most_lanes, &state, &last))
        return NULL;
    PyObject *result = NULL;
    stream.data = in.buf;
    stream.size = (size_t)in.len;
    stream.total = total;
    stream.first_number = first_number;
    stream.sizes_vary = sizes_vary;
    if (state.len != sizeof scan) {
        PyErr_SetString(PyExc_ValueError, "no state of a scan");
    } else if (check_stream(&stream, 0)) {
        memcpy(&scan, state.buf, sizeof scan);
        frame_list list = {0};
        vf_finder finder = {take_frame, &list};
        vf_status status;
        Py_BEGIN_ALLOW_THREADS
        status = vf_scan_frames(&stream, last, &scan, &finder);
        Py_END_ALLOW_THREADS
        memcpy(state.buf, &scan, sizeof scan);
        vf_cursor cursor = {
            .frame = scan.frame, .position = scan.position, .byte = (size_t)scan.byte};
        PyObject *how = report(status, &cursor);
        if (how)
            result = Py_BuildValue("(Ny#K)", how, list.items ? (const char *)list.items : "",
                                   (Py_ssize_t)(list.count * sizeof *list.items),
                                   (unsigned long long)scan.base);
        free(list.items);
    }
    PyBuffer_Release(&in);
    PyBuffer_Release(&state);
    return result;
}

static PyObject *first_header(PyObject *self, PyObject *args)
{
    (void)self;
    Py_buffer in;
    vf_header header = {0};
    if (!PyArg_ParseTuple(args, "y*", &in))
        return NULL;
    vf_status status = vf_parse_header(in.buf, (size_t)in.len, &header);
    PyBuffer_Release(&in);
    return Py_BuildValue("(isKIi)", (int)status, vf_status_name(status),
                         (unsigned long long)header.number, (unsigned)header.block_size,
                         (int)header.variable);
}

static PyObject *lookup(PyObject *self, PyObject *args)
{
    (void)self;
    Py_buffer samples, table, out;
    if (!PyArg_ParseTuple(args, "y*y*w*", &samples, &table, &out))
        return NULL;
    PyObject *result = NULL;
    const size_t count = (size_t)samples.len / sizeof(int32_t);
    const size_t item_size = count ? (size_t)out.len / count : 1;
    if (table.len != VF_TABLE_SIZE * sizeof(int32_t) || (item_size != 1 && item_size != 2) ||
        (size_t)out.len != count * item_size || (uintptr_t)samples.buf % sizeof(int32_t) ||
        (uintptr_t)table.buf % sizeof(int32_t)) {
        PyErr_SetString(PyExc_ValueError, "samples, table and pixels do not fit each other");
    } else {
        size_t done;
        Py_BEGIN_ALLOW_THREADS
        done = vf_lookup(samples.buf, count, table.buf, out.buf, (unsigned)item_size);
        Py_END_ALLOW_THREADS
        result = PyLong_FromSize_t(done);
    }
    PyBuffer_Release(&samples);
    PyBuffer_Release(&table);
    PyBuffer_Release(&out);
    return result;
}

static PyObject *crc16(PyObject *self, PyObject *args)
{
    (void)self;
    Py_buffer in;
    int tables;
    if (!PyArg_ParseTuple(args, "y*p", &in, &tables))
        return NULL;
    unsigned value = (tables ? vf_crc16_tables : vf_crc16)(in.buf, (size_t)in.len);
    PyBuffer_Release(&in);
    return PyLong_FromUnsignedLong(value);
}

static PyObject *crc32(PyObject *self, PyObject *data)
{
    (void)self;
    Py_buffer in;
    uint32_t value;
    if (PyObject_GetBuffer(data, &in, PyBUF_SIMPLE))
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    value = vf_crc32(0, in.buf, (size_t)in.len);
    Py_END_ALLOW_THREADS
    PyBuffer_Release(&in);
    return PyLong_FromUnsignedLong(value);
}

/* Append to a list, and take the item over; on failure the list is gone. */
static void append(PyObject **list, PyObject *item)
{
    if (!item || PyList_Append(*list, item))
        Py_CLEAR(*list);
    Py_XDECREF(item);
}

static PyObject *crc32_ways(PyObject *self, PyObject *data)
{
    (void)self;
    Py_buffer in;
    if (PyObject_GetBuffer(data, &in, PyBUF_SIMPLE))
        return NULL;
    PyObject *found = PyList_New(0);
    bool enough;
    uint32_t value;
    for (unsigned i = 0; found && vf_crc32_by(i, in.buf, (size_t)in.len, &enough, &value); i++)
        append(&found, enough ? PyLong_FromUnsignedLong(value) : Py_NewRef(Py_None));
    PyBuffer_Release(&in);
    return found;
}

static PyObject *kernels(PyObject *self, PyObject *args)
{
    (void)self;
    (void)args;
    PyObject *found = PyList_New(0);
    for (unsigned i = 0; found && vf_lanes_of(i); i++)
        append(&found, PyLong_FromUnsignedLong(vf_lanes_of(i)));
    return found;
}

static PyObject *loops(PyObject *self, PyObject *args)
{
    (void)self;
    (void)args;
    return PyLong_FromUnsignedLong(vf_loop_count());
}

static PyMethodDef METHODS[] = {
    {"decode", decode, METH_VARARGS,
     "decode(data, stream, out, planes, width, row_stride, item_size, offset, sum_up) -> (report, crc32)"},
    {"encode", encode, METH_VARARGS,
     "encode(pixels, number, swapped, depth, block_size, effort, stereo, md5, skipped_loops)"
     " -> (status, its name, frames, block size, frame sizes: least, most; MD5)"},
    VF_PY_PREDICTED_METHODS,
    {"scan_state", scan_state, METH_VARARGS, "scan_state(first_byte) -> bytearray"},
    {"scan", scan, METH_VARARGS,
     "scan(data, stream, state, last) -> (report, native uint64 of shape (frame, 4), bytes done with)"},
    {"first_header", first_header, METH_VARARGS,
     "first_header(data) -> (status, its name, number, block size, variable)"},
    {"lookup", lookup, METH_VARARGS,
     "lookup(int32 samples, int32 table of 65,536, pixels of 1 or 2 bytes) -> how many were found"},
    {"crc16", crc16, METH_VARARGS, "crc16(data, tables) -> int: for tests"},
    {"crc32", crc32, METH_O, "crc32(data) -> int: as zlib.crc32"},
    {"crc32_ways", crc32_ways, METH_O,
     "crc32_ways(data) -> the same by every way of this CPU, None for too little data: for tests"},
    {"kernels", kernels, METH_NOARGS,
     "kernels() -> frames at once with each kernel of this CPU, best first: for tests"},
    {"loops", loops, METH_NOARGS, "loops() -> ways to encode that this CPU has: for tests"},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot SLOTS[] = {
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {0, NULL},
};

static PyModuleDef MODULE = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_native",
    .m_doc = "The FLAC codec in C. Private: use zarr_flac.",
    .m_methods = METHODS,
    .m_slots = SLOTS,
};

PyMODINIT_FUNC PyInit__native(void)
{
    return PyModuleDef_Init(&MODULE);
}

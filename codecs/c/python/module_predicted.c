#include "python/module_predicted.h"

#include <stdlib.h>

#include "zarr_flac.h"

/* Whether rows of row_bytes, the first one `offset` bytes from the start, lie within `room` bytes. */
static int rows_fit(Py_ssize_t offset, uint64_t row_bytes, uint64_t rows, Py_ssize_t row_stride,
                    uint64_t room)
{
    uint64_t end;
    return offset >= 0 && row_stride >= 0 && (uint64_t)row_stride >= row_bytes &&
           !__builtin_mul_overflow((uint64_t)row_stride, rows - 1, &end) &&
           !__builtin_add_overflow(end, row_bytes, &end) &&
           !__builtin_add_overflow(end, (uint64_t)offset, &end) && end <= room;
}

PyObject *vf_py_describe_predicted(PyObject *self, PyObject *args)
{
    (void)self;
    Py_buffer in;
    vf_shape shape = {0};
    if (!PyArg_ParseTuple(args, "y*", &in))
        return NULL;
    const vf_status status = vf_describe_tile(in.buf, (size_t)in.len, &shape);
    PyBuffer_Release(&in);
    if (status == VF_NO_MEMORY)
        return PyErr_NoMemory();
    return Py_BuildValue("(isIKKI)", (int)status, vf_status_name(status), (unsigned)shape.dtype,
                         (unsigned long long)shape.width, (unsigned long long)shape.height,
                         (unsigned)shape.band_count);
}

/* The first pixel of each band within `out`; NULL for those that are not wanted. NULL, with an error set,
   when they do not fit. Free it. */
static uint8_t **find_bands(PyObject *offsets, const vf_shape *shape, const Py_buffer *out,
                            Py_ssize_t row_stride)
{
    const uint64_t row_bytes = shape->width * vf_dtype_size(shape->dtype);
    int fit = PyTuple_Size(offsets) == (Py_ssize_t)shape->band_count;
    uint8_t **bands = calloc(shape->band_count, sizeof *bands);
    if (!bands) {
        PyErr_NoMemory();
        return NULL;
    }
    for (uint32_t i = 0; fit && i < shape->band_count; i++) {
        const Py_ssize_t offset = PyLong_AsSsize_t(PyTuple_GetItem(offsets, (Py_ssize_t)i));
        if (offset == -1)
            continue;
        fit = rows_fit(offset, row_bytes, shape->height, row_stride, (uint64_t)out->len);
        bands[i] = (uint8_t *)out->buf + offset;
    }
    if (fit && !PyErr_Occurred())
        return bands;
    if (!PyErr_Occurred())
        PyErr_SetString(PyExc_ValueError, "the bands do not fit the array");
    free(bands);
    return NULL;
}

PyObject *vf_py_decode_predicted(PyObject *self, PyObject *args)
{
    (void)self;
    Py_buffer in, description, out;
    PyObject *offsets, *result = NULL;
    Py_ssize_t first_frame, row_stride;
    unsigned long long total;
    int sum_up;
    vf_stream stream = {.channels = 1};
    if (!PyArg_ParseTuple(args, "y*nIIKIy*w*O!np", &in, &first_frame, &stream.max_block_size,
                          &stream.depth, &total, &stream.most_lanes, &description, &out,
                          &PyTuple_Type, &offsets, &row_stride, &sum_up))
        return NULL;
    vf_shape shape;
    vf_cursor cursor = {0};
    uint8_t **bands = NULL;
    vf_status status = VF_OK;
    stream.data = in.buf;
    stream.size = (size_t)in.len;
    stream.first_frame = (size_t)first_frame;
    stream.total = total;
    stream.sum_up = sum_up;
    if (first_frame < 0 || first_frame > in.len || stream.max_block_size < 1 ||
        stream.max_block_size > 65536 || total >> 40) {
        PyErr_SetString(PyExc_ValueError, "impossible facts about a stream");
        goto done;
    }
    status = vf_describe_tile(description.buf, (size_t)description.len, &shape);
    if (status == VF_OK) {
        bands = find_bands(offsets, &shape, &out, row_stride);
        if (!bands)
            goto done;
        const vf_raster raster = {.bands = bands, .row_stride = row_stride};
        Py_BEGIN_ALLOW_THREADS
        status = vf_decode_tile(&stream, description.buf, (size_t)description.len, &raster,
                                &cursor);
        Py_END_ALLOW_THREADS
    }
    if (status == VF_NO_MEMORY)
        PyErr_NoMemory();
    else
        result = Py_BuildValue("((isKKK)I)", (int)status, vf_status_name(status),
                               (unsigned long long)cursor.frame, (unsigned long long)cursor.position,
                               (unsigned long long)cursor.byte, cursor.crc32);
done:
    free(bands);
    PyBuffer_Release(&in);
    PyBuffer_Release(&description);
    PyBuffer_Release(&out);
    return result;
}

PyObject *vf_py_encode_predicted(PyObject *self, PyObject *args)
{
    (void)self;
    PyObject *array, *result = NULL;
    Py_buffer in;
    unsigned dtype, effort;
    int md5;
    if (!PyArg_ParseTuple(args, "OIIp", &array, &dtype, &effort, &md5) ||
        PyObject_GetBuffer(array, &in, PyBUF_STRIDES))
        return NULL;
    const uint8_t **bands = NULL;
    vf_encoded encoded = {0};
    if (in.ndim != 3 || dtype >= VF_DTYPE_COUNT || in.itemsize != vf_dtype_size(dtype) ||
        in.strides[2] != in.itemsize || in.shape[0] < 1 || in.shape[0] > VF_MAX_BANDS ||
        in.shape[1] < 1 || in.shape[2] < 1 || (uint64_t)in.shape[1] > VF_MAX_SIDE ||
        (uint64_t)in.shape[2] > VF_MAX_SIDE ||
        (uint64_t)in.shape[1] * (uint64_t)in.shape[2] >> 40) {
        PyErr_SetString(PyExc_ValueError, "an array that is none of pixels");
        goto done;
    }
    bands = malloc((size_t)in.shape[0] * sizeof *bands);
    if (!bands) {
        PyErr_NoMemory();
        goto done;
    }
    for (Py_ssize_t i = 0; i < in.shape[0]; i++)
        bands[i] = (const uint8_t *)in.buf + i * in.strides[0];
    const vf_shape shape = {.dtype = dtype, .width = (uint64_t)in.shape[2],
                            .height = (uint64_t)in.shape[1], .band_count = (uint32_t)in.shape[0]};
    const vf_picture picture = {.bands = bands, .row_stride = in.strides[1]};
    vf_status status;
    Py_BEGIN_ALLOW_THREADS
    status = vf_encode_tile(&shape, &picture, effort, md5, &encoded);
    Py_END_ALLOW_THREADS
    if (status != VF_OK) {
        PyErr_NoMemory();
        goto done;
    }
    result = Py_BuildValue("(y#y#IKIIIy#)", (const char *)encoded.description,
                           (Py_ssize_t)encoded.description_size, (const char *)encoded.frames,
                           (Py_ssize_t)encoded.frames_size, encoded.depth,
                           (unsigned long long)encoded.total, encoded.facts.block_size,
                           encoded.facts.min_frame_size, encoded.facts.max_frame_size,
                           (const char *)encoded.facts.md5, (Py_ssize_t)sizeof encoded.facts.md5);
    vf_encoded_free(&encoded);
done:
    free(bands);
    PyBuffer_Release(&in);
    return result;
}

/* Predicted tiles for the Python module. */
#ifndef VF_MODULE_PREDICTED_H
#define VF_MODULE_PREDICTED_H

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030c0000
#include <Python.h>

PyObject *vf_py_describe_predicted(PyObject *self, PyObject *args);
PyObject *vf_py_decode_predicted(PyObject *self, PyObject *args);
PyObject *vf_py_encode_predicted(PyObject *self, PyObject *args);

/* For the table of the module's functions. */
#define VF_PY_PREDICTED_METHODS                                                                        \
    {"describe_predicted", vf_py_describe_predicted, METH_VARARGS,                                     \
     "describe_predicted(description) -> (status, its name, dtype, width, height, bands)"},            \
    {"decode_predicted", vf_py_decode_predicted, METH_VARARGS,                                         \
     "decode_predicted(data, first_frame, max_block_size, depth, total, most_lanes, description, out," \
     " offset of each band or -1, row_stride, sum_up) -> (report, crc32)"},                                             \
    {"encode_predicted", vf_py_encode_predicted, METH_VARARGS,                                         \
     "encode_predicted(pixels, dtype, effort, md5) -> (description, frames, depth, total, block size," \
     " frame sizes: least, most; MD5)"}

#endif

#include "zarr_flac.h"

static const char *const NAMES[VF_STATUS_COUNT] = {
    [VF_OK] = "no error",
    [VF_TRUNCATED] = "the data ends too early",
    [VF_NO_SYNC] = "no frame begins here",
    [VF_BAD_HEADER] = "bad frame header",
    [VF_BAD_HEADER_CRC] = "frame header CRC mismatch",
    [VF_BAD_FRAME_CRC] = "frame CRC mismatch",
    [VF_BAD_SUBFRAME] = "bad subframe",
    [VF_BAD_RESIDUAL] = "bad residual",
    [VF_BAD_PADDING] = "padding bits that are not zero",
    [VF_SAMPLE_OUT_OF_RANGE] = "sample out of bounds",
    [VF_WRONG_CHANNELS] = "another number of channels than STREAMINFO says",
    [VF_WRONG_DEPTH] = "another depth than STREAMINFO says",
    [VF_WRONG_BLOCK_SIZE] = "more samples in a frame than fit",
    [VF_OUT_OF_ORDER] = "a missing or misplaced frame",
    [VF_TOO_LONG] = "a further frame behind the last sample expected",
    [VF_UNKNOWN_VERSION] = "an unknown version of predicted tiles",
    [VF_BAD_DESCRIPTION] = "bad description of a predicted tile",
    [VF_BAD_NUMBERS] = "numbers that do not fit the description of the predicted tile",
    [VF_NO_MEMORY] = "out of memory",
};

const char *vf_status_name(vf_status status)
{
    return (unsigned)status < VF_STATUS_COUNT ? NAMES[status] : "unknown status";
}

/* What can be wrong with a stream, as numbers. Knows nothing else. */
#ifndef VF_STATUS_H
#define VF_STATUS_H

typedef enum {
    VF_OK = 0,
    VF_TRUNCATED,          /* the stream ends within a frame, or before the samples wanted */
    VF_NO_SYNC,            /* no frame begins where one has to */
    VF_BAD_HEADER,         /* a frame header with reserved or impossible fields */
    VF_BAD_HEADER_CRC,     /* CRC-8 of a frame header */
    VF_BAD_FRAME_CRC,      /* CRC-16 of a frame */
    VF_BAD_SUBFRAME,       /* a subframe with reserved or impossible fields */
    VF_BAD_RESIDUAL,       /* reserved coding method, impossible partitions, residual too large */
    VF_BAD_PADDING,        /* bits between the last subframe and the CRC-16 that are not 0 */
    VF_SAMPLE_OUT_OF_RANGE,/* a sample that needs more bits than the frame has */
    VF_WRONG_CHANNELS,     /* another number of channels than STREAMINFO says */
    VF_WRONG_DEPTH,        /* another depth than STREAMINFO says */
    VF_WRONG_BLOCK_SIZE,   /* more samples than STREAMINFO allows, or than are wanted */
    VF_OUT_OF_ORDER,       /* a frame number that does not follow: one is missing or misplaced */
    VF_TOO_LONG,           /* a further frame behind the last sample wanted */
    VF_UNKNOWN_VERSION,    /* of a predicted tile's description */
    VF_BAD_DESCRIPTION,    /* of a predicted tile: fields that are impossible, missing or left over */
    VF_BAD_NUMBERS,        /* numbers of a predicted tile that do not fit its description */
    VF_NO_MEMORY,
    VF_STATUS_COUNT
} vf_status;

/* A few English words for a status, never NULL. The text lives forever. */
const char *vf_status_name(vf_status status);

#endif

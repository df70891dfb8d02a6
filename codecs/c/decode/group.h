/* The next few frames together, where that is possible: see decode/lanes.h. Knows frames and streams, not
   vectors. Never judges: what it cannot decode, or finds anything wrong with, it leaves to the scalar
   way. */
#ifndef VF_GROUP_H
#define VF_GROUP_H

#include "decode/cursor.h"
#include "decode/lanes.h"
#include "decode/sink.h"

typedef struct {
    vf_header header;
    size_t byte;       /* where it begins */
    size_t end;        /* where the next one was found, 0 when it was not looked for */
    uint64_t first;    /* its first sample */
    uint64_t position; /* bit that is read next */
} vf_group_frame;

typedef struct vf_group {
    vf_lanes lanes;
    unsigned count; /* frames in the group */
    vf_group_frame frames[VF_MOST_LANES];
    vf_subframe subframes[VF_MOST_LANES]; /* of the channel in work */
    uint32_t ends[VF_MOST_LANES];    /* the sample behind the partition that each lane is in */
    unsigned plain;                  /* lanes whose partition is no Rice codes, or huge ones: a set */
    unsigned misfits;                /* lanes with a sample that does not fit its subframe: a set */
    int64_t *workspace;              /* for one frame: VF_FRAME_WORKSPACE */
    int32_t *saved;                  /* the first channels of stereo pairs, max_block_size each */
    const vf_stream *stream;
    const vf_sink *sink;
} vf_group;

/* Make a group for a stream, NULL when this CPU or this stream is not made for it (or memory is
   short). workspace is the caller's. vf_group_free() takes NULL. */
vf_group *vf_group_new(const vf_stream *stream, const vf_sink *sink, int64_t *workspace);
void vf_group_free(vf_group *group);

/* Decode some frames from the cursor on, and move it behind those that are done. Returns how many
   frames, from the cursor on, had better go the scalar way now: 0 when all went well. */
unsigned vf_group_decode(vf_group *group, vf_cursor *cursor);

#endif

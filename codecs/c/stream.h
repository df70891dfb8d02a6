/* The frames of a whole stream, one by one or in groups, to where their samples go. Must not know
   metadata blocks, nor how a frame is decoded. */
#ifndef VF_STREAM_H
#define VF_STREAM_H

#include "cursor.h"
#include "sink.h"
#include "status.h"

/* Decode the stream to sink, whose planes have room for total samples (or are all NULL). Every frame
   must have a right header, follow the one before, and have right checksums. Bytes behind the last
   frame are ignored. *cursor says where it ended, well or not; when well, with the CRC-32 of all data if
   that is wanted, those bytes included. Allocates a workspace, and a group (see group.h) where lanes serve. */
vf_status vf_decode_stream(const vf_stream *stream, const vf_sink *sink, vf_cursor *cursor);

#endif

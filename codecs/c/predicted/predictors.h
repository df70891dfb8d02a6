/* What the kernels of predicted rows share: each case of the prediction, compiled on its own. Included where TARGET,
   predict(); WAVE, its rows; and FLIPPED, the bits of values of 32 bits that it wants turned over for a linear
   prediction, are defined. */

#define PREDICTOR(CASE, LINEAR, BITS)                                                              \
    TARGET static void CASE(const vf_strip *strip, const int##BITS##_t *residuals,                 \
                            int##BITS##_t *values)                                                 \
    {                                                                                              \
        predict(strip, residuals, values, LINEAR, BITS);                                           \
    }
PREDICTOR(predict_linear16, true, 16)
PREDICTOR(predict_median16, false, 16)
PREDICTOR(predict_linear32, true, 32)
PREDICTOR(predict_median32, false, 32)
#undef PREDICTOR

/* Wave by wave. */
#define PREDICT(BITS, TURNED)                                                                      \
    static void predict##BITS(const vf_strip *strip, const int##BITS##_t *residuals,               \
                              int##BITS##_t *values)                                               \
    {                                                                                              \
        const bool linear = strip->plane->linear;                                                  \
        vf_strip part = *strip;                                                                    \
        for (unsigned done = 0; done < strip->rows; done += WAVE) {                                \
            part.rows = strip->rows - done < WAVE ? strip->rows - done : WAVE;                     \
            part.second = strip->second && done == 0;                                              \
            vf_widen_above##BITS(&part, values, linear ? TURNED : 0);                              \
            (linear ? predict_linear##BITS : predict_median##BITS)(&part, residuals, values);      \
            residuals += WAVE * strip->pitch;                                                      \
            values += WAVE * strip->pitch;                                                         \
        }                                                                                          \
    }
PREDICT(16, 0)
PREDICT(32, FLIPPED)
#undef PREDICT

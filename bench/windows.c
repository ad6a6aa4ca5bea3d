/* The reference of bench/detection.py: the windows and comparisons of the fast path, as a plain
   loop. Samples come as doubles, channel by channel, as numpy holds them; every block ends with
   the same comparisons that agent/detect/quiet.py makes. Answers how many bays moved. */
#include <math.h>
#include <string.h>

typedef struct {
    long channels, window, rows, bays;
    const double *cosine, *sine;           /* window */
    double *history;                       /* channels x window: the last one, a ring */
    double *re, *im, *total, *square, *change; /* channels */
    double *energy;                        /* channels x 8: of the last blocks, a ring */
    const double *mix;                     /* rows x channels: channels to what is compared */
    const double *low, *high;              /* rows */
    const double *floor_energy;            /* channels */
    double leak, reach, scale;
    long at, block;
} front_end;

long follow(front_end *f, const double *samples, long count)
{
    double ends_re[256], ends_im[256], away[256];
    const long w = f->window, slot = f->block % 8, gone = (f->block + 3) % 8;
    long moved = 0;
    for (long c = 0; c < f->channels; c++) {
        const double *x = samples + c * count;
        double *old = f->history + c * w;
        double re = 0, im = 0, total = 0, square = 0, energy = 0;
        for (long k = 0; k < count; k++) {
            const long i = (f->at + k) % w;
            const double leaving = x[k] - old[i];
            re += f->cosine[i] * leaving;
            im += f->sine[i] * leaving;
            total += leaving;
            square += (x[k] + old[i]) * leaving;
            energy += leaving * leaving;
            old[i] = x[k];
        }
        f->re[c] += re;
        f->im[c] += im;
        f->total[c] += total;
        f->square[c] += square;
        f->change[c] += energy - f->energy[c * 8 + gone];
        f->energy[c * 8 + slot] = energy;
        ends_re[c] = f->re[c] * f->scale;
        ends_im[c] = f->im[c] * f->scale;
        const double mean = f->total[c] / w;
        double beside = f->square[c] - 0.5 * w * (ends_re[c] * ends_re[c] + ends_im[c] * ends_im[c])
                        - w * mean * mean;
        away[c] = f->leak * sqrt(beside > 0 ? beside : 0) + f->reach * sqrt(energy);
        moved += f->change[c] >= f->floor_energy[c];
    }
    for (long r = 0; r < f->rows; r++) {
        const double *mix = f->mix + r * f->channels;
        double re = 0, im = 0, out = 0;
        for (long c = 0; c < f->channels; c++) {
            re += mix[c] * ends_re[c];
            im += mix[c] * ends_im[c];
            out += fabs(mix[c]) * away[c];
        }
        const double size = sqrt(re * re + im * im);
        moved += size + out >= f->high[r] || size - out < f->low[r];
    }
    f->at = (f->at + count) % w;
    f->block++;
    return moved;
}

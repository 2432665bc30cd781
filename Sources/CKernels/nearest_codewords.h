// Which codewords are nearest to some numbers

static void nearest_codewords(const float *restrict words, size_t size, size_t count, const float *restrict squares,
                              const float *restrict lines, size_t tried, int32_t *restrict places)
{
    float least[8];
    for (size_t i = 0; i < tried; i++) {
        least[i] = INFINITY;
        places[i] = 0;
    }
    for (size_t first = 0; first < count; first += LANES) {
        floats costs = 0;
        for (size_t p = 0; p < size; p++) {
            floats word = loaded(words + p * count + first);
            costs += (squares[p] * word + lines[p]) * word;
        }
        if (!any_of(costs < least[tried - 1])) continue;
        for (int lane = 0; lane < LANES; lane++) {
            float cost = costs[lane];
            if (!(cost < least[tried - 1])) continue;
            size_t place = tried - 1;
            for (; place > 0 && cost < least[place - 1]; place--) {
                least[place] = least[place - 1];
                places[place] = places[place - 1];
            }
            least[place] = cost;
            places[place] = (int32_t)(first + (size_t)lane);
        }
    }
}

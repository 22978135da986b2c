/* Drives a libFuzzer target where there is no libFuzzer: every input of the named files and folders, then changes of
 * each (bytes flipped, cut, doubled, overwritten by another input's), the same ones in every run. The input being tried
 * is kept in memory alone; a crash is found again by running the program on the file that is printed last with -v.
 * usage: fuzz_x [-v] [FILE or FOLDER]…        CODEASK_TEST_LONG: a hundred times as many changes */
#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CHANGES = 3000, LONG_CHANGES = 300000, LARGEST = 1 << 20 };

struct input { uint8_t *data; size_t size; char *path; };
static struct input *inputs;
static size_t count;

static void *grown(void *p, size_t bytes)
{
  p = realloc(p, bytes ? bytes : 1);
  if (!p) abort();
  return p;
}

static void keep(const char *path, const uint8_t *data, size_t size)
{
  inputs = grown(inputs, (count + 1) * sizeof *inputs);
  struct input *in = &inputs[count++];
  in->data = grown(NULL, size);
  if (size) memcpy(in->data, data, size);
  in->size = size;
  in->path = grown(NULL, strlen(path) + 1);
  strcpy(in->path, path);
}

static void read_path(const char *path)
{
  struct stat st;
  if (stat(path, &st)) return;
  if (S_ISDIR(st.st_mode)) {
    struct dirent **names;
    int n = scandir(path, &names, NULL, alphasort); /* sorted: the changes must be the same in every run */
    for (int i = 0; i < n; i++) {
      char inner[4096];
      if (names[i]->d_name[0] != '.' && snprintf(inner, sizeof inner, "%s/%s", path, names[i]->d_name) < (int)sizeof inner)
        read_path(inner);
      free(names[i]);
    }
    if (n >= 0) free(names);
    return;
  }
  FILE *f = fopen(path, "rb");
  if (!f) return;
  uint8_t *data = grown(NULL, LARGEST);
  size_t size = fread(data, 1, LARGEST, f);
  fclose(f);
  keep(path, data, size);
  free(data);
}

static uint64_t seed = 0x9e3779b97f4a7c15u;
static size_t below(size_t n) /* xorshift64 */
{
  seed ^= seed << 13;
  seed ^= seed >> 7;
  seed ^= seed << 17;
  return n ? (size_t)(seed % n) : 0;
}

/* the target gets a copy of exactly its size, so that the address sanitizer sees a read past the end */
static void try(const uint8_t *data, size_t size)
{
  uint8_t *copy = malloc(size ? size : 1);
  if (!copy) abort();
  if (size) memcpy(copy, data, size);
  LLVMFuzzerTestOneInput(copy, size);
  free(copy);
}

static size_t change(uint8_t *to, const struct input *from)
{
  size_t size = from->size;
  if (size) memcpy(to, from->data, size);
  for (size_t times = 1 + below(4); times--;) {
    size_t at = below(size), len;
    switch (below(6)) {
    case 0: if (size) to[at] ^= (uint8_t)(1u << below(8)); break;
    case 1: if (size) to[at] = (uint8_t)below(256); break;
    case 2: size = at; break;
    case 3: /* a stretch once more */
      len = below(size - at + 1);
      if (size + len > LARGEST) break;
      memmove(to + at + len, to + at, size - at);
      size += len;
      break;
    case 4: /* a stretch left out */
      len = below(size - at + 1);
      memmove(to + at, to + at + len, size - at - len);
      size -= len;
      break;
    case 5: { /* a stretch of another input */
      const struct input *other = &inputs[below(count)];
      size_t start = below(other->size);
      len = below((other->size - start < size - at ? other->size - start : size - at) + 1);
      if (len) memcpy(to + at, other->data + start, len);
      break;
    }
    }
  }
  return size;
}

int main(int argc, char **argv)
{
  bool verbose = argc > 1 && !strcmp(argv[1], "-v");
  keep("(empty)", NULL, 0);
  keep("(zeros)", (const uint8_t[64]){0}, 64);
  for (int i = 1 + verbose; i < argc; i++) read_path(argv[i]);
  const char *is_long = getenv("CODEASK_TEST_LONG");
  size_t changes = is_long && *is_long ? LONG_CHANGES : CHANGES, tried = 0;
  uint8_t *bytes = grown(NULL, 2 * LARGEST);
  for (size_t i = 0; i < count; i++) {
    if (verbose) fprintf(stderr, "%s\n", inputs[i].path);
    try(inputs[i].data, inputs[i].size);
    tried++;
  }
  for (size_t i = 0; i < count; i++) {
    if (verbose) fprintf(stderr, "changes of %s\n", inputs[i].path);
    for (size_t k = 0; k < changes / count + 1; k++, tried++) try(bytes, change(bytes, &inputs[i]));
  }
  free(bytes);
  for (size_t i = 0; i < count; i++) {
    free(inputs[i].data);
    free(inputs[i].path);
  }
  free(inputs);
  printf("%zu inputs of %zu files\n", tried, count - 2);
  return 0;
}

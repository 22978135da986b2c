/* The readers of the formats, one each. See manifest.h. Private to retriever/manifest/. */
#ifndef CODEASK_RETRIEVER_MANIFEST_FORMATS_H
#define CODEASK_RETRIEVER_MANIFEST_FORMATS_H

#include "retriever/manifest/text.h"

void read_package_json(struct manifest *m);

#endif

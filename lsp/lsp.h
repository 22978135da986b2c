/* The Language Server Protocol, version 3.17 (https://microsoft.github.io/language-server-protocol), as a codec over a session.
 * `codeask lsp` carries the bytes; the greeting's "protocol" is "lsp". What may be asked are the rows of features[] (feature.h). */
#ifndef CODEASK_LSP_LSP_H
#define CODEASK_LSP_LSP_H

#include "service/protocol.h"

extern const struct protocol lsp_protocol;

#endif

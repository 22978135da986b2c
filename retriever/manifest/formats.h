/* The readers of the formats, one each. See manifest.h. Private to retriever/manifest/. */
#ifndef CODEASK_RETRIEVER_MANIFEST_FORMATS_H
#define CODEASK_RETRIEVER_MANIFEST_FORMATS_H

#include "retriever/manifest/text.h"

void read_package_json(struct manifest *m);
void read_pyproject(struct manifest *m);
void read_setup_cfg(struct manifest *m);
void read_setup_py(struct manifest *m);
void read_tox_ini(struct manifest *m);
void read_cargo(struct manifest *m);
void read_go_mod(struct manifest *m);
void read_pom(struct manifest *m);
void read_gradle(struct manifest *m);
void read_composer(struct manifest *m);
void read_gemspec(struct manifest *m);
void read_msbuild(struct manifest *m);
void read_solution(struct manifest *m);
void read_package_swift(struct manifest *m);
void read_mix(struct manifest *m);
void read_cmake(struct manifest *m);
void read_automake(struct manifest *m);
void read_makefile(struct manifest *m);
void read_meson(struct manifest *m);
void read_build_zig(struct manifest *m);
void read_cabal(struct manifest *m);
void read_ci(struct manifest *m);

#endif

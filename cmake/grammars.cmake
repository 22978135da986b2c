# tree-sitter's core and the grammars of third_party/lock.json: one static library each, behind the target `grammars`,
# with a generated header grammars.h that declares them. A grammar is a row of the lock file; nothing here names one.

set(lock_file ${CMAKE_SOURCE_DIR}/third_party/lock.json)
set(deps_dir ${CMAKE_SOURCE_DIR}/build/deps)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${lock_file})
execute_process(COMMAND ${CMAKE_SOURCE_DIR}/scripts/fetch-deps RESULT_VARIABLE fetched)
if(NOT fetched EQUAL 0)
  message(FATAL_ERROR "scripts/fetch-deps failed: what third_party/lock.json names is not in build/deps")
endif()

# Foreign code: no warnings, optimised in every preset (at -O0 a parser is 2.4 times slower; -O3
# measured 5 to 10 % slower than -O2 on C sources).
# Address and thread sanitizers stay on where hand-written code is; its undefined behaviour is not ours to fail on.
function(foreign_code target)
  target_compile_options(${target} PRIVATE -w -O2 -fno-strict-aliasing)
  if(CODEASK_SANITIZE MATCHES undefined)
    target_compile_options(${target} PRIVATE -fno-sanitize=undefined)
  endif()
  set_target_properties(${target} PROPERTIES C_STANDARD 11 C_EXTENSIONS ON EXPORT_COMPILE_COMMANDS OFF)
endfunction()

add_library(ts_core STATIC ${CMAKE_SOURCE_DIR}/third_party/query_image.c) # includes lib.c, all of the core
target_include_directories(ts_core SYSTEM PUBLIC ${deps_dir}/tree-sitter/lib/include
    PRIVATE ${deps_dir}/tree-sitter/lib/src)
foreign_code(ts_core)

set(grammars_dir ${CMAKE_BINARY_DIR}/grammars)
set(declarations "")
set(names "")
add_library(grammars INTERFACE)
target_link_libraries(grammars INTERFACE ts_core)
target_include_directories(grammars SYSTEM INTERFACE ${grammars_dir})

# parser.c is a table and the lexer made from it, up to 36 MB of text: without debug information and sanitizers, which
# would cost minutes and find nothing
function(grammar name src)
  add_library(ts_${name} STATIC ${src}/parser.c)
  set_source_files_properties(${src}/parser.c PROPERTIES COMPILE_OPTIONS "-g0;-fno-sanitize=all")
  if(EXISTS ${src}/scanner.c)
    target_sources(ts_${name} PRIVATE ${src}/scanner.c)
  elseif(EXISTS ${src}/scanner.cc)
    message(FATAL_ERROR "${src}/scanner.cc: grammars with a C++ scanner are not supported")
  endif()
  target_include_directories(ts_${name} PRIVATE ${src})
  foreign_code(ts_${name})
  target_link_libraries(grammars INTERFACE ts_${name})
endfunction()

file(READ ${lock_file} lock)
string(JSON package_count LENGTH "${lock}" packages)
math(EXPR package_last "${package_count} - 1")
foreach(i RANGE ${package_last})
  string(JSON package GET "${lock}" packages ${i} name)
  string(JSON grammar_count ERROR_VARIABLE none LENGTH "${lock}" packages ${i} grammars)
  if(none)
    continue()
  endif()
  math(EXPR grammar_last "${grammar_count} - 1")
  foreach(j RANGE ${grammar_last})
    string(JSON name MEMBER "${lock}" packages ${i} grammars ${j})
    string(JSON src GET "${lock}" packages ${i} grammars ${name})
    grammar(${name} ${deps_dir}/${package}/${src})
    string(APPEND declarations "const TSLanguage *tree_sitter_${name}(void);\n")
    list(APPEND names "    X(${name})")
  endforeach()
endforeach()

list(JOIN names " \\\n" names)
file(CONFIGURE OUTPUT ${grammars_dir}/grammars.h @ONLY CONTENT [[
/* made by cmake/grammars.cmake from third_party/lock.json */
#ifndef GRAMMARS_H
#define GRAMMARS_H
#include <tree_sitter/api.h>

#define GRAMMARS(X) \
@names@

@declarations@
#endif
]])

# Models of the lock file, where the programs look for them: <build dir>/share/codeask/models/<model>
foreach(i RANGE ${package_last})
  string(JSON model ERROR_VARIABLE none GET "${lock}" packages ${i} model)
  if(none)
    continue()
  endif()
  string(JSON package GET "${lock}" packages ${i} name)
  file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/share/codeask/models)
  file(CREATE_LINK ${deps_dir}/${package} ${CMAKE_BINARY_DIR}/share/codeask/models/${model} SYMBOLIC)
endforeach()

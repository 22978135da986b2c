# Libraries of the distribution (scripts/setup installs their packages).
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)

# library(TARGET pkg-config-name): an imported target that is used like any other
function(library target module)
  pkg_check_modules(${target} REQUIRED IMPORTED_TARGET ${module})
  add_library(${target} ALIAS PkgConfig::${target})
endfunction()

# library without a pkg-config file: header and library searched by name
function(plain_library target header lib)
  find_path(${target}_include ${header} REQUIRED)
  find_library(${target}_library ${lib} REQUIRED)
  add_library(${target} INTERFACE)
  target_include_directories(${target} INTERFACE ${${target}_include})
  target_link_libraries(${target} INTERFACE ${${target}_library})
endfunction()

library(xxhash libxxhash)
library(utf8proc libutf8proc)
library(zstd libzstd)
library(lmdb lmdb)
library(git2 libgit2)
library(uv libuv)
library(jansson jansson)
library(crypto libcrypto)
library(curl libcurl)
library(pcre2 libpcre2-8)
library(seccomp libseccomp)
library(md4c md4c)
plain_library(roaring roaring/roaring.h roaring)
library(cmocka cmocka)
plain_library(stemmer libstemmer.h stemmer)

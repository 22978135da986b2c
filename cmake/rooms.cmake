# A room is a folder with one static library of its name. It may include and link only rooms on floors below its own
# (scripts/check-rooms reads the same law from the includes).

add_library(codeask_flags INTERFACE)
target_include_directories(codeask_flags INTERFACE ${CMAKE_SOURCE_DIR})
target_compile_definitions(codeask_flags INTERFACE _DEFAULT_SOURCE
    CODEASK_VERSION="${PROJECT_VERSION}")
target_compile_options(codeask_flags INTERFACE -Wall -Wextra -Wshadow -Wpointer-arith -Wstrict-prototypes
    -Wmissing-prototypes -Wvla -Wno-unused-parameter -Wno-missing-field-initializers -fno-strict-aliasing
    -fstack-protector-strong)
if(CODEASK_SANITIZE)
  add_compile_options(-fsanitize=${CODEASK_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${CODEASK_SANITIZE})
  target_compile_definitions(codeask_flags INTERFACE ARENA_DEBUG)
endif()

# room(NAME LIBS what it links, rooms below it included; EXCLUDE expressions of files that are not part of it)
function(room name)
  cmake_parse_arguments(R "" "" "LIBS;EXCLUDE" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.c)
  foreach(pattern ${R_EXCLUDE})
    list(FILTER sources EXCLUDE REGEX ${pattern})
  endforeach()
  if(sources)
    add_library(${name} STATIC ${sources})
    target_link_libraries(${name} PUBLIC codeask_flags ${R_LIBS})
  else() # a room of headers only
    add_library(${name} INTERFACE)
    target_link_libraries(${name} INTERFACE codeask_flags ${R_LIBS})
  endif()
endfunction()

# program(NAME ROOM the room whose folder holds its main.c)
function(program name room_name)
  if(EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/main.c)
    add_executable(${name} main.c)
    target_link_libraries(${name} PRIVATE ${room_name})
  endif()
endfunction()

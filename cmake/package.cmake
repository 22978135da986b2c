# What `cmake --install` puts where, and the .deb that `cpack` makes of it (scripts/package).
include(GNUInstallDirs)
set(contact "codeask <codeask@localhost>") # whoever gives the package on puts an address here
set(share ${CMAKE_BINARY_DIR}/share)
set(CODEASK_SHELL_FILES ${share} CACHE PATH "the manual page and completions, of a build whose program runs here")
install(TARGETS codeask codeaskd)
if(CMAKE_CROSSCOMPILING) # they were linked for an emulator's folder (cmake/aarch64-linux.cmake)
  install(CODE "foreach(program codeask codeaskd)
    execute_process(COMMAND patchelf --set-interpreter /lib/ld-linux-aarch64.so.1 --remove-rpath \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/bin/\${program}\"
        COMMAND_ERROR_IS_FATAL ANY)
  endforeach()")
endif()
install(DIRECTORY ${CODEASK_SHELL_FILES}/bash-completion ${CODEASK_SHELL_FILES}/fish DESTINATION ${CMAKE_INSTALL_DATADIR})
install(FILES ${CODEASK_SHELL_FILES}/zsh/site-functions/_codeask DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions)
# packed(FILE TO): installed as TO.gz, the same bytes from the same file
function(packed file to)
  get_filename_component(folder ${to} DIRECTORY)
  get_filename_component(name ${to} NAME)
  install(CODE "execute_process(COMMAND gzip -9n -c INPUT_FILE \"${file}\" OUTPUT_FILE \"${CMAKE_BINARY_DIR}/${name}.gz\" COMMAND_ERROR_IS_FATAL ANY)")
  install(FILES ${CMAKE_BINARY_DIR}/${name}.gz DESTINATION ${folder})
endfunction()
packed(${CODEASK_SHELL_FILES}/man/man1/codeask.1 ${CMAKE_INSTALL_MANDIR}/man1/codeask.1)
file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/codeaskd.1 CONTENT ".so man1/codeask.1\n")
packed(${CMAKE_BINARY_DIR}/codeaskd.1 ${CMAKE_INSTALL_MANDIR}/man1/codeaskd.1)
string(TIMESTAMP date "%a, %d %b %Y %H:%M:%S +0000" UTC)
file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/changelog CONTENT "codeask (${PROJECT_VERSION}) stable; urgency=medium

  * CHANGELOG.md beside this file tells what is new.

 -- ${contact}  ${date}
")
packed(${CMAKE_BINARY_DIR}/changelog ${CMAKE_INSTALL_DATADIR}/doc/codeask/changelog)
install(FILES config/codeask.service DESTINATION lib/systemd/system)
install(FILES config/codeask.sysusers DESTINATION lib/sysusers.d RENAME codeask.conf)

# Models and licences of the lock file: all that the programs hold of others.
set(copyright ${CMAKE_BINARY_DIR}/copyright)
file(READ config/debian/copyright text)
foreach(i RANGE ${package_last})
  string(JSON package GET "${lock}" packages ${i} name)
  file(GLOB licences ${deps_dir}/${package}/LICEN[CS]E*)
  foreach(licence ${licences})
    file(READ ${licence} terms)
    if(terms MATCHES "Apache License") # Debian has its text once
      set(terms "Apache License, version 2.0: /usr/share/common-licenses/Apache-2.0\n")
    endif()
    string(APPEND text "\n--------------------------------------------------------------------------------\n${package}\n\n${terms}")
  endforeach()
  string(JSON model ERROR_VARIABLE none GET "${lock}" packages ${i} model)
  if(NOT none)
    install(DIRECTORY ${deps_dir}/${package}/ DESTINATION ${CMAKE_INSTALL_DATADIR}/codeask/models/${model} PATTERN ".*" EXCLUDE)
  endif()
endforeach()
file(CONFIGURE OUTPUT ${copyright} CONTENT "@text@" @ONLY)
install(FILES ${copyright} README.md CHANGELOG.md DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/codeask)
install(DIRECTORY docs/ DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/codeask/docs FILES_MATCHING PATTERN "*.md" PATTERN "*.svg")

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME codeask)
set(CPACK_PACKAGE_CONTACT "${contact}")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "private assistant that knows an organization's code")
set(CPACK_PACKAGE_DESCRIPTION "Answers questions about git repositories with citations, on this
machine alone: on the command line, in editors, for agents, and as a
server for a team. The embedding model is part of the package; no byte
leaves the machine.")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION devel)
set(CPACK_DEBIAN_COMPRESSION_TYPE gzip) # weights of a model hardly shrink: a tenth of xz's time
if(CMAKE_CROSSCOMPILING)
  set(CPACK_DEBIAN_PACKAGE_ARCHITECTURE arm64)
  set(CPACK_DEBIAN_PACKAGE_DEPENDS "${CODEASK_DEPENDS}") # scripts/package finds them: no package of that machine is installed here
else()
  set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
  set(CPACK_DEBIAN_PACKAGE_DEPENDS libwebsockets-evlib-uv) # a plug-in that no binary names
endif()
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "git, openssh-client")
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA ${CMAKE_SOURCE_DIR}/config/debian/postinst ${CMAKE_SOURCE_DIR}/config/debian/prerm
    ${CMAKE_SOURCE_DIR}/config/debian/postrm)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
include(CPack)

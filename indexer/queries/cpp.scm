; C++
; include: c_family
; include: cpp_family

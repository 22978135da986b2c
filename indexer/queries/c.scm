; C
; include: c_family

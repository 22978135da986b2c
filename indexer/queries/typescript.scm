; TypeScript
; include: ecma
; include: typescript_common

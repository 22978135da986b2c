; TypeScript with elements
; include: ecma
; include: typescript_common
; include: jsx

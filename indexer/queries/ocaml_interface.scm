; OCaml interfaces
; include: ocaml_family
(external (value_name) @name) @def.prototype
(method_specification (method_name) @name) @def.prototype
(module_definition (module_binding (module_name) @name)) @def.module

; Go
(comment) @comment
(type_declaration) @wrap
(const_declaration) @wrap
(var_declaration) @wrap

((function_declaration name: (identifier) @name
  parameters: (parameter_list . (parameter_declaration
    type: (pointer_type (qualified_type package: (package_identifier) @_p))))) @def.test
  (#prefix? @name "Test" "Benchmark" "Fuzz")
  (#eq? @_p "testing"))
(function_declaration name: (identifier) @name) @def.function
(method_declaration
  receiver: (parameter_list (parameter_declaration type: [
    (type_identifier) @scope
    (pointer_type (type_identifier) @scope)
    (generic_type type: (type_identifier) @scope)
    (pointer_type (generic_type type: (type_identifier) @scope))]))
  name: (field_identifier) @name) @def.method
(type_spec name: (type_identifier) @name type: (struct_type)) @def.struct
(type_spec name: (type_identifier) @name type: (interface_type)) @def.interface
(type_spec name: (type_identifier) @name) @def.type
(type_alias name: (type_identifier) @name) @def.type
(method_elem name: (field_identifier) @name) @def.method
(field_declaration name: (field_identifier) @name) @def.field
(const_spec name: (identifier) @name) @def.constant
(var_spec name: (identifier) @name) @def.variable

(import_spec path: (_) @ref.import)
(field_declaration !name type: (type_identifier) @ref.inherit)
(field_declaration !name type: (qualified_type name: (type_identifier) @ref.inherit))
(interface_type (type_elem (type_identifier) @ref.inherit))
(interface_type (type_elem (qualified_type name: (type_identifier) @ref.inherit)))
(call_expression function: (identifier) @ref.call)
(call_expression function: (selector_expression field: (field_identifier) @ref.call))
((type_identifier) @ref.type
  (#not-any-of? @ref.type "int" "string" "error" "bool" "any" "byte" "float64" "int64" "uint32" "rune" "uint64" "int32" "uint8"))

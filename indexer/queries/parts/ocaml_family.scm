; what implementations and interfaces share
(comment) @comment
(type_definition) @wrap
(module_definition) @wrap
(class_definition) @wrap
(type_binding name: (type_constructor) @name) @def.type
(exception_definition (constructor_declaration (constructor_name) @name)) @def.type
(value_specification (value_name) @name) @def.prototype
(constructor_declaration (constructor_name) @name) @def.field
(field_declaration (field_name) @name) @def.field
(module_binding (module_name) @name) @def.module
(module_type_definition (module_type_name) @name) @def.interface
(class_binding (class_name) @name) @def.class
(open_module module: (module_path) @ref.import)
(include_module module: (module_path) @ref.import)
((type_constructor_path (type_constructor) @ref.type)
  (#not-any-of? @ref.type "int" "string" "bool" "unit" "float" "list" "option" "array" "char" "bytes"))

; what implementations and interfaces share
(comment) @comment
(type_definition) @wrap
(module_definition) @wrap
(class_definition) @wrap
(type_binding name: (type_constructor) @name) @def.type
(constructor_declaration (constructor_name) @name) @def.field
(field_declaration (field_name) @name) @def.field
(module_binding (module_name) @name) @def.module
(module_type_definition (module_type_name) @name) @def.interface
(exception_definition (constructor_declaration (constructor_name) @name)) @def.type
(class_binding (class_name) @name) @def.class
(open_module module: (module_path) @ref.import)
(include_module module: (module_path) @ref.import)
(type_constructor_path (type_constructor) @ref.type)

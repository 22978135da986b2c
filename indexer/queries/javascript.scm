; JavaScript and JSX
; include: ecma
; include: jsx

(class_declaration name: (identifier) @name) @def.class
(class_declaration (class_heritage (identifier) @ref.inherit))
(class_declaration (class_heritage (member_expression property: (property_identifier) @ref.inherit)))
(field_definition property: (_) @name value: [(arrow_function) (function_expression)]) @def.method
(field_definition property: (_) @name) @def.field

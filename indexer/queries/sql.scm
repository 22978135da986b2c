; SQL
(comment) @comment
(marginalia) @comment

(create_table (object_reference name: (identifier) @name)) @def.struct
(column_definition name: (identifier) @name) @def.field
(create_view . (keyword_create) (object_reference name: (identifier) @name)) @def.type
(create_materialized_view (object_reference name: (identifier) @name)) @def.type
(create_function . (keyword_create) (object_reference name: (identifier) @name)) @def.function
(create_type (object_reference name: (identifier) @name)) @def.type
(create_trigger (keyword_trigger) . (object_reference name: (identifier) @name)) @def.function
(create_index column: (identifier) @name) @def.section
(create_schema (identifier) @name) @def.module

(relation (object_reference name: (identifier) @ref.type))
(invocation (object_reference name: (identifier) @ref.call))
(insert (object_reference name: (identifier) @ref.type))

; TOML: tables and their keys
(comment) @comment
(document (pair . (_) @name) @def.section)
(table . (_) @name) @def.section
(table (pair . (_) @name) @def.section)
(table_array_element . (_) @name) @def.section

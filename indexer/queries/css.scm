; CSS: rules by selector
(comment) @comment
(rule_set (selectors) @name) @def.section
(keyframes_statement (keyframes_name) @name) @def.section
((declaration (property_name) @name) @def.variable
  (#prefix? @name "--"))
(import_statement (string_value) @ref.import)

; what JavaScript and TypeScript share
(comment) @comment
(export_statement) @wrap.public
(program (lexical_declaration) @wrap)
(program (variable_declaration) @wrap)
(export_statement (lexical_declaration) @wrap)
(export_statement (variable_declaration) @wrap)
(decorator) @attr

(call_expression
  function: (identifier) @_f
  arguments: (arguments . [(string) (template_string)] @name [(arrow_function) (function_expression)])
  (#any-of? @_f "describe" "it" "test" "suite" "context" "specify" "bench")) @def.test
(call_expression
  function: (member_expression object: (identifier) @_f)
  arguments: (arguments . [(string) (template_string)] @name [(arrow_function) (function_expression)])
  (#any-of? @_f "describe" "it" "test" "suite" "context" "QUnit")) @def.test
(call_expression
  function: (call_expression function: (member_expression object: (identifier) @_f))
  arguments: (arguments . [(string) (template_string)] @name [(arrow_function) (function_expression)])
  (#any-of? @_f "describe" "it" "test")) @def.test

(function_declaration name: (identifier) @name) @def.function
(generator_function_declaration name: (identifier) @name) @def.function
(method_definition name: (_) @name) @def.method
(lexical_declaration (variable_declarator
  name: (identifier) @name value: [(arrow_function) (function_expression) (generator_function)])) @def.function
(variable_declaration (variable_declarator
  name: (identifier) @name value: [(arrow_function) (function_expression) (generator_function)])) @def.function
(lexical_declaration (variable_declarator name: (identifier) @name value: (class))) @def.class
(variable_declaration (variable_declarator name: (identifier) @name value: (class))) @def.class
(assignment_expression
  left: (member_expression) @qname right: [(arrow_function) (function_expression) (generator_function)]) @def.function
(assignment_expression left: (member_expression) @qname right: (class)) @def.class
(assignment_expression left: (identifier) @name right: [(arrow_function) (function_expression)]) @def.function
((assignment_expression left: (member_expression object: (identifier) @_o) @qname) @def.constant
  (#eq? @_o "exports"))
(pair key: (property_identifier) @name value: [(arrow_function) (function_expression)]) @def.function
((call_expression function: (identifier) @_f arguments: (arguments . (_) . (string) @name . (function_expression !name)))
  @def.function
  (#prefix? @_f "define"))
(function_expression name: (identifier) @name) @def.function
(program (lexical_declaration (variable_declarator name: (identifier) @name) @def.constant))
(program (variable_declaration (variable_declarator name: (identifier) @name) @def.variable))
(export_statement (lexical_declaration (variable_declarator name: (identifier) @name) @def.constant))
(export_statement (variable_declaration (variable_declarator name: (identifier) @name) @def.variable))

(import_statement source: (string) @ref.import)
(export_statement source: (string) @ref.export)
((call_expression function: (identifier) @_f arguments: (arguments . (string) @ref.import))
  (#eq? @_f "require"))
(call_expression function: (import) arguments: (arguments . (string) @ref.import))
(call_expression function: (identifier) @ref.call)
(call_expression function: (member_expression property: [(property_identifier) (private_property_identifier)] @ref.call))
(new_expression constructor: (identifier) @ref.call)
(new_expression constructor: (member_expression property: (property_identifier) @ref.call))

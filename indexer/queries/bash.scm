; Bash
(comment) @comment

(function_definition name: (word) @name) @def.function
((command name: (command_name (word) @_t) argument: [(string) (raw_string)] @name) @def.test
  (#eq? @_t "@test"))
(program (variable_assignment name: (variable_name) @name) @def.variable)
(program (declaration_command (variable_assignment name: (variable_name) @name)) @def.variable)

((command name: (command_name (word) @_s) argument: (_) @ref.import)
  (#any-of? @_s "source" "."))
((command name: (command_name (word) @ref.call))
  (#not-any-of? @ref.call "echo" "cd" "set" "return" "exit" "source" "." "local" "printf" "eval" "test" "[" "shift" "true"
    "false" "export" "@test" "read" "trap" "cat" "rm" "mkdir"))

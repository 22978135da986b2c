; ocaml_interface

(* Copyright 2024 The Example Authors. All rights reserved. *)

(** Sets of intervals. *)

open Base
include Comparable.Make (Interval)

let max_size = 100

(** One interval. *)
type t = { low : int; high : int }

type 'a tree =
  | Leaf
  | Node of 'a tree * 'a * 'a tree

exception Empty of string

module Key = struct
  type t = int

  let compare a b = Int.compare a b
end

module type S = sig
  type elt

  val insert : elt -> unit
end

(** Adds an interval. *)
let rec insert tree ~key ?(force = false) =
  let local = normalize key in
  match tree with
  | Leaf -> Node (Leaf, local, Leaf)
  | Node (l, x, r) -> balance (insert l ~key:x) x r

and balance l x r = Node (l, x, r)

let size = function Leaf -> 0 | Node (l, _, r) -> size_of l + size_of r

let print t = Stdlib.print_endline (to_string t)

external now : unit -> float = "caml_now"

class counter start = object
  val mutable count = start
  method incr = count <- count + 1
end

(** Sets of intervals. *)

open Base

type t
(** A set. *)

type bound = Open | Closed

exception Empty

val empty : t
(** Nothing. *)

(** Adds one. *)
val insert : t -> low:int -> high:int -> t

val size : t -> int

module Key : sig
  type t

  val compare : t -> t -> int
end

external now : unit -> float = "caml_now"

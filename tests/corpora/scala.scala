// Decoders of configuration.
package example.config

import scala.collection.mutable
import example.{Json, Error as Problem}

/** Decodes values of one type.
  */
trait Decoder[A] extends Serializable with Named {
  type Out
  def decode(json: Json): Either[Error, A]
  def map[B](f: A => B): Decoder[B] = Decoder.instance(j => decode(j).map(f))
  val name: String
}

object Decoder extends LowPriority {
  val limit = 10

  /** Makes one of a function. */
  def instance[A](f: Json => Either[Error, A]): Decoder[A] = new Decoder[A] {
    def decode(json: Json) = f(json)
  }

  implicit val intDecoder: Decoder[Int] = instance(_.asInt)
}

@deprecated("use Reader")
final case class Config(name: String, val port: Int = 80) extends Base[Config](name) with Product {
  private var cache = mutable.Map.empty[String, String]

  def reload(): Unit = {
    val local = 1
    cache.clear()
    println(s"reloaded $name")
  }
}

enum Color(val rgb: Int) {
  case Red extends Color(0xff0000)
  case Green, Blue
}

given stringDecoder: Decoder[String] with {
  def decode(json: Json) = json.asString
}

extension (c: Config) {
  def url: String = s"http://localhost:${c.port}"
}

type Result[A] = Either[Error, A]

abstract class DecoderSuite extends FunSuite {
  test("decodes integers") {
    assertEquals(Decoder.intDecoder.decode(Json(1)), Right(1))
  }
}

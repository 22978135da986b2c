// Tables and queries.
package org.example.sql

import org.example.core.Column
import org.example.core.*

const val LIMIT = 10
val String.quoted: String get() = "\"$this\""

/**
 * A table of the database.
 */
@Suppress("unused")
abstract class Table(val name: String, private val schema: Schema = Schema.DEFAULT) : ColumnSet(), DdlAware {
    protected val columns = mutableListOf<Column<*>>()
    lateinit var alias: String

    constructor(name: String) : this(name, Schema.DEFAULT)

    init {
        register(this)
    }

    /** Adds a column of integers. */
    fun integer(name: String): Column<Int> = addColumn(name, IntegerType())

    inline fun <reified T : Any> custom(
        name: String,
        noinline wrap: (Any) -> T,
    ): Column<T> {
        val local = 3
        return registerColumn(name, wrap)
    }

    companion object {
        const val PREFIX = "t_"
        fun of(name: String) = object : Table(name) {}
    }

    inner class Alias(val to: String)
}

interface DdlAware {
    fun create(): List<String>
    val ddl: String
}

data class Join(val left: Table, var right: Table)

enum class JoinType(val sql: String) {
    INNER("INNER JOIN"),
    LEFT("LEFT JOIN");

    fun reversed() = values().last()
}

sealed interface Expression<T>

object Registry : HashMap<String, Table>() {
    fun find(name: String): Table? = this[name]
}

typealias Row = Map<String, Any?>

fun Table.selectAll(): Query = Query(this) where { true }

suspend fun <T> transaction(block: suspend () -> T): T {
    return block()
}

class TableTest {
    @Test
    fun `creates a table`() {
        assertEquals("t", Registry.find("t")?.name)
    }
}

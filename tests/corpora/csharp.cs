// A small object mapper.
using System;
using Db = System.Data;
using static System.Math;

namespace Example.Mapping
{
    /// <summary>Maps rows to objects.</summary>
    /// <typeparam name="T">what is made</typeparam>
    [Serializable]
    public sealed class Mapper<T> : MapperBase<T>, IMapper, IDisposable where T : new()
    {
        private const int Limit = 10;
        private readonly Dictionary<string, Column> columns, aliases;
        public event EventHandler Mapped;

        public string Name { get; set; } = "";

        public Mapper(IDbConnection connection) : base(connection) => columns = new();

        /// <summary>Reads all rows.</summary>
        [Obsolete("use ReadAsync")]
        public IEnumerable<T> Read(string sql, object param = null)
        {
            var reader = Execute(sql);
            int Local(int x) => x + 1;
            foreach (var row in reader.Rows<T>())
                yield return Map(row);
        }

        public override string ToString() => $"Mapper {Name}";

        ~Mapper() { }

        private class Column { public int Index; }

        public void Dispose() => connection?.Dispose();
    }

    public interface IMapper
    {
        string Name { get; }
        void Map(Row row);
    }

    public enum Kind { One, Two = 2 }

    public record Point(int X, int Y) : Shape;

    public struct Size { public int W; }

    public delegate void Handler(object sender, Args e);

    public class MapperTests
    {
        [Fact]
        public void ReadsNothing() => Assert.Empty(new Mapper<Row>(null).Read(""));

        [Theory, InlineData(1)]
        public async Task ReadsOne(int n) { await Task.Yield(); }
    }
}

namespace Sluice.Protocols.Kafka.Wire;

/// <summary>A writer's pieces in the order in which they are sent, for foreach; allocates nothing.</summary>
public readonly struct KafkaPieces
{
    private readonly KafkaWriter _writer;

    internal KafkaPieces(KafkaWriter writer) => _writer = writer;

    public Enumerator GetEnumerator() => new(_writer);

    public struct Enumerator
    {
        private readonly KafkaWriter _writer;
        private int _splice;
        private int _position;
        private KafkaPiece _current;

        internal Enumerator(KafkaWriter writer) => _writer = writer;

        public readonly KafkaPiece Current => _current;

        public bool MoveNext() => _writer.TryGetPiece(ref _splice, ref _position, out _current);
    }
}

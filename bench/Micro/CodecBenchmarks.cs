using System.Buffers;
using BenchmarkDotNet.Attributes;
using Sluice.Protocols.Amqp091.Wire;
using Sluice.Protocols.Amqp091.Wire.Methods;

namespace Sluice.Bench.Micro;

#pragma warning disable CA1001 // Cleanup disposes what it owns: a benchmark's life is its runner's.
/// <summary>AMQP 0-9-1 frames: what a receive loop and a delivery cost per message, without the broker behind them.</summary>
[MemoryDiagnoser]
public class CodecBenchmarks
{
    private const int Messages = 500;
    private readonly FrameScratch _scratch = new();
    private readonly byte[] _target = new byte[256];
    private byte[] _received = [];

    [Params(16, 1000)]
    public int BodyBytes { get; set; }

    /// <summary>Publishes as a client sends them: method, header and body frame each.</summary>
    [GlobalSetup]
    public void Setup()
    {
        using MemoryStream stream = new();
        for (int i = 0; i < Messages; i++)
        {
            BasicPublish publish = new() { RoutingKey = "orders"u8 };
            byte[] method = new byte[publish.Size];
            FieldWriter writer = new(method);
            publish.Write(ref writer);
            WriteFrame(stream, 1, method);
            byte[] header = new byte[15];
            header[1] = 60;
            header[10] = (byte)(BodyBytes >> 8);
            header[11] = (byte)BodyBytes;
            header[12] = 0x10;
            header[14] = 2;
            WriteFrame(stream, 2, header);
            WriteFrame(stream, 3, new byte[BodyBytes]);
        }

        _received = stream.ToArray();
    }

    [GlobalCleanup]
    public void Cleanup() => _scratch.Dispose();

    /// <summary>Cuts frames and reads method and properties of each publish.</summary>
    [Benchmark(OperationsPerInvoke = Messages)]
    public int ReadPublishes()
    {
        FrameReader reader = new(new ReadOnlySequence<byte>(_received), 128 << 10, _scratch);
        int sum = 0;
        while (reader.TryRead(out Frame frame))
        {
            switch (frame.Type)
            {
                case FrameType.Method:
                    sum += BasicPublish.Read(frame.Payload[4..]).RoutingKey.Length;
                    break;
                case FrameType.Header:
                    sum += BasicProperties.Read(frame.Payload[12..]).DeliveryMode;
                    break;
                default:
                    sum += frame.Payload.Length;
                    break;
            }
        }

        return sum;
    }

    /// <summary>Encodes the method of a delivery.</summary>
    [Benchmark]
    public int WriteDeliver()
    {
        BasicDeliver deliver = new() { ConsumerTag = "consumer"u8, DeliveryTag = 12345, Exchange = ""u8, RoutingKey = "orders"u8 };
        FieldWriter writer = new(_target);
        deliver.Write(ref writer);
        return writer.Written;
    }

    private static void WriteFrame(MemoryStream to, byte type, byte[] payload)
    {
        to.Write([type, 0, 1, (byte)(payload.Length >> 24), (byte)(payload.Length >> 16), (byte)(payload.Length >> 8), (byte)payload.Length]);
        to.Write(payload);
        to.WriteByte(0xCE);
    }
}

using System.Buffers.Binary;

namespace Sluice.Crash;

/// <summary>
/// A message body that says which message it is and proves that it is whole:
/// <code>
/// | id, 8 bytes | padding: every byte is (id + index) mod 251 |
/// </code>
/// </summary>
internal static class MessageBody
{
    public static byte[] Create(long id, int size)
    {
        byte[] body = new byte[Math.Max(size, sizeof(long))];
        BinaryPrimitives.WriteInt64LittleEndian(body, id);
        for (int i = sizeof(long); i < body.Length; i++)
        {
            body[i] = Padding(id, i);
        }

        return body;
    }

    /// <summary>Reads the id and fails the test when the body is not as it was created.</summary>
    public static long Read(ReadOnlySpan<byte> body)
    {
        Assert.True(body.Length >= sizeof(long), $"a body of {body.Length} bytes was never published");
        long id = BinaryPrimitives.ReadInt64LittleEndian(body);
        for (int i = sizeof(long); i < body.Length; i++)
        {
            Assert.True(body[i] == Padding(id, i), $"message {id} is damaged at byte {i}");
        }

        return id;
    }

    private static byte Padding(long id, int index) => (byte)((id + index) % 251);
}

using Sluice.Protocols.Amqp091.Wire;

namespace Sluice.Protocols.Amqp091.Tests.Generation;

internal static class MethodEcho
{
    /// <summary>The method's payload: ids and arguments.</summary>
    public static byte[] Write<T>(T method)
        where T : IMethod, allows ref struct
    {
        byte[] bytes = new byte[method.Size];
        var writer = new FieldWriter(bytes);
        method.Write(ref writer);
        Assert.Equal(bytes.Length, writer.Written);
        return bytes;
    }
}

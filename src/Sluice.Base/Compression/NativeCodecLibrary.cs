using System.Runtime.InteropServices;

namespace Sluice.Base.Compression;

/// <summary>A compression library of the system, looked for when it is first needed. Thread-safe.</summary>
/// <param name="name">What the loader knows it by.</param>
/// <param name="package">The Debian package that has it.</param>
internal sealed class NativeCodecLibrary(string name, string package)
{
    private volatile bool _loaded;

    /// <summary>Whether it can be used. Looks again after it was missing, so that installing it needs no restart.</summary>
    public bool IsAvailable => _loaded || (_loaded = NativeLibrary.TryLoad(name, typeof(NativeCodecLibrary).Assembly, null, out _));

    /// <exception cref="CompressionLibraryMissingException">It is not installed.</exception>
    public void Require()
    {
        if (!IsAvailable)
        {
            throw new CompressionLibraryMissingException($"The library {name} is not installed. On Debian and Ubuntu it comes with the package {package}: apt-get install {package}");
        }
    }
}
